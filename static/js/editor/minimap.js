// A small overview with the visible part framed, while the image is more than twice as large as the pane.

import { place, put } from "./view.js";

export class Minimap {
  constructor(editor, element) {
    Object.assign(this, { editor, element, rect: element.querySelector("rect") });
    element.addEventListener("click", () => editor.viewport.fit(), { signal: editor.signal });
    editor.on((news) => news.view && this.draw());
  }

  show(thumbnail, size) {
    this.thumbnail = thumbnail;
    put(this.element.querySelector("svg"), { viewBox: `0 0 ${size.w} ${size.h}`, preserveAspectRatio: "none" });
  }

  draw() {
    const { scale, x, y, size, pane } = this.editor.viewport;
    const hidden = size.w * scale <= 2 * pane.w && size.h * scale <= 2 * pane.h;
    if (this.element.hidden !== hidden) this.element.hidden = hidden;
    if (hidden) return;
    const image = this.element.querySelector("img");
    if (image.getAttribute("src") !== this.thumbnail) image.src = this.thumbnail;
    place(this.rect, { x: -x / scale, y: -y / scale, w: pane.w / scale, h: pane.h / scale });
  }
}
