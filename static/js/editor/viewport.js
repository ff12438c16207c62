// Where the image lies on the screen: image pixel = (screen - offset) / scale.

export const LEAST = 0.01;
export const MOST = 10;
const MARGIN = 48;

export class Viewport {
  constructor() {
    this.size = { w: 1, h: 1 };
    this.pane = { w: 1, h: 1, left: 0, top: 0 };
    Object.assign(this, { scale: 1, x: 0, y: 0, fitted: true, listeners: [] });
  }

  on(listener) {
    this.listeners.push(listener);
  }

  set(scale, x, y, fitted = false) {
    this.scale = Math.min(Math.max(scale, LEAST), MOST);
    const hold = (offset, length, pane) => Math.min(Math.max(offset, MARGIN - length * this.scale), pane - MARGIN);
    this.x = hold(x, this.size.w, this.pane.w);
    this.y = hold(y, this.size.h, this.pane.h);
    this.fitted = fitted;
    for (const listener of this.listeners) listener(this);
  }

  // Where an image of this size lies when the pane shows all of it.
  fitOf({ w, h }) {
    const scale = Math.max(Math.min((this.pane.w - 24) / w, (this.pane.h - 24) / h, MOST), LEAST);
    return { scale, x: (this.pane.w - w * scale) / 2, y: (this.pane.h - h * scale) / 2 };
  }

  fit() {
    const { scale, x, y } = this.fitOf(this.size);
    this.set(scale, x, y, true);
  }

  // The view stays where it was in proportion to the image, for images of different sizes in a row.
  show(size, keep) {
    const center = this.toImage({ x: this.pane.w / 2, y: this.pane.h / 2 });
    const at = { x: center.x / this.size.w, y: center.y / this.size.h };
    this.size = size;
    if (!keep || this.fitted) return this.fit();
    return this.set(this.scale, this.pane.w / 2 - at.x * size.w * this.scale, this.pane.h / 2 - at.y * size.h * this.scale);
  }

  resize(pane) {
    this.pane = pane;
    if (this.fitted) this.fit();
    else this.set(this.scale, this.x, this.y);
  }

  zoomTo(scale, at = { x: this.pane.w / 2, y: this.pane.h / 2 }) {
    const held = this.toImage(at);
    const next = Math.min(Math.max(scale, LEAST), MOST);
    this.set(next, at.x - held.x * next, at.y - held.y * next);
  }

  zoomBy(factor, at) {
    this.zoomTo(this.scale * factor, at);
  }

  panBy(dx, dy) {
    this.set(this.scale, this.x + dx, this.y + dy);
  }

  centerOn(box, room = 0.4) {
    const scale = Math.max(Math.min((this.pane.w * room) / box.w, (this.pane.h * room) / box.h, 4), LEAST);
    this.set(scale, this.pane.w / 2 - (box.x + box.w / 2) * scale, this.pane.h / 2 - (box.y + box.h / 2) * scale);
  }

  toImage(point) {
    return { x: (point.x - this.x) / this.scale, y: (point.y - this.y) / this.scale };
  }

  toScreen(point) {
    return { x: point.x * this.scale + this.x, y: point.y * this.scale + this.y };
  }

  rectOnScreen(box) {
    return { ...this.toScreen(box), w: box.w * this.scale, h: box.h * this.scale };
  }
}
