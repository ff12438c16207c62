// Mouse, pen and touch on the canvas: finds what was meant and hands it to a gesture; pans and zooms beside it.

import { HANDLES, handleAt, handlePoint, under } from "./geometry.js";
import { drawing, extremes, framing, moving, resizing } from "./gestures.js";

const REACH = { mouse: 7, pen: 12, touch: 22 };

export class Pointer {
  constructor(editor, signal) {
    this.editor = editor;
    this.gesture = null;
    this.pan = null;
    this.fingers = new Map();
    const on = (name, handler) => editor.stage.addEventListener(name, handler, { signal, passive: false });
    on("pointerdown", (event) => this.down(event));
    on("pointermove", (event) => this.move(event));
    on("pointerup", (event) => this.up(event));
    on("pointercancel", (event) => this.lose(event));
    on("pointerleave", () => this.leave());
    // Without it the browser takes a quick stroke for a swipe, and swallows a tap that follows it at once.
    on("touchmove", (event) => event.preventDefault());
    on("wheel", (event) => this.wheel(event));
    on("dblclick", (event) => this.double(event));
    on("contextmenu", (event) => event.preventDefault());
  }

  at(event) {
    const { viewport } = this.editor;
    const screen = { x: event.clientX - viewport.pane.left, y: event.clientY - viewport.pane.top };
    return {
      screen, image: viewport.toImage(screen), square: event.shiftKey, add: event.shiftKey,
      snap: event.ctrlKey || event.metaKey, alt: event.altKey, kind: event.pointerType || "mouse",
    };
  }

  down(event) {
    const { editor } = this;
    if (event.button > 1) return;
    event.preventDefault();
    editor.stage.focus({ preventScroll: true });
    editor.setTouch(event.pointerType === "touch");
    editor.stage.setPointerCapture(event.pointerId);
    const at = this.at(event);
    if (event.pointerType === "touch") {
      this.fingers.set(event.pointerId, at.screen);
      if (this.fingers.size === 2) return this.pinchStart();
      if (this.fingers.size > 2) return;
    }
    if (event.button === 1 || editor.panKey) this.pan = at.screen;
    else if (this.gesture) this.ended(this.gesture.down?.(at));
    else this.gesture = this.begin(at);
    editor.stage.classList.toggle("panning", Boolean(this.pan));
  }

  begin(at) {
    const { editor } = this;
    if (editor.tool !== "select" && !at.alt && !editor.readonly) {
      editor.store.select([]); // keys pressed meanwhile are about the box in the hand
      return (editor.tool === "extreme" ? extremes : drawing)(editor, at);
    }
    const handle = this.handle(at);
    if (handle) return resizing(editor, editor.store.selected()[0], handle, at);
    const hits = under(editor.targets(), at.image);
    if (!hits.length) {
      if (at.kind === "touch") this.pan = at.screen;
      const kept = at.add ? [...editor.store.selection] : [];
      if (!at.add) editor.store.select([]);
      return this.pan ? null : framing(editor, at, kept);
    }
    return this.pick(at, hits);
  }

  pick(at, hits) {
    const { store } = this.editor;
    const top = at.alt ? hits[(hits.findIndex((box) => store.selection.has(box.id)) + 1) % hits.length] : hits[0];
    if (at.add) {
      store.select(store.selection.has(top.id) ? [...store.selection].filter((id) => id !== top.id) : [...store.selection, top.id]);
      return null;
    }
    if (!store.selection.has(top.id)) store.select([top.id]);
    return this.editor.readonly ? null : moving(this.editor, store.selected().filter((box) => !store.flag(box.id).locked), at);
  }

  handle(at) {
    const { store, viewport, readonly } = this.editor;
    const [box, another] = store.selected();
    if (readonly || !box || another || store.flag(box.id).locked) return null;
    return handleAt(viewport.rectOnScreen(box), at.screen, REACH[at.kind] || REACH.mouse);
  }

  move(event) {
    const { editor } = this;
    const at = this.at(event);
    if (this.fingers.has(event.pointerId)) this.fingers.set(event.pointerId, at.screen);
    if (this.pinch) return this.pinchMove();
    const held = editor.panKey && this.gesture && event.buttons && !this.pan;
    if (held) this.pan = this.last || at.screen;
    if (this.pan) {
      editor.viewport.panBy(at.screen.x - this.pan.x, at.screen.y - this.pan.y);
      editor.panned = true;
      this.pan = held ? null : at.screen;
    }
    this.last = at.screen;
    if (this.gesture) this.gesture.move(this.at(event));
    else if (!this.pan) this.hover(at);
    const cross = editor.tool !== "select" && editor.prefs.crosshair && !at.alt && !this.pan && event.pointerType !== "touch";
    editor.overlay.cross(cross ? at.screen : null);
  }

  hover(at) {
    const { editor } = this;
    const selecting = editor.tool === "select" || at.alt;
    const handle = selecting ? this.handle(at) : null;
    const hit = selecting && !handle ? under(editor.targets(), at.image)[0] : null;
    editor.view.hover(hit?.id ?? null);
    const cursor = handle || (hit ? "over" : "");
    if (editor.stage.dataset.cursor !== cursor) editor.stage.dataset.cursor = cursor;
  }

  up(event) {
    const pinched = this.pinch;
    this.fingers.delete(event.pointerId);
    if (!this.fingers.size) this.pinch = null;
    this.editor.stage.classList.remove("panning");
    if (pinched) return;
    const panned = this.pan;
    this.pan = null;
    if (this.gesture && !(panned && this.gesture.free)) this.ended(this.gesture.up(this.at(event)));
  }

  ended(over) {
    if (over) this.gesture = null;
  }

  lose(event) {
    this.fingers.delete(event.pointerId);
    if (!this.fingers.size) this.pinch = null;
    this.cancel();
  }

  leave() {
    if (!this.gesture) this.editor.view.hover(null);
    this.editor.overlay.cross(null);
  }

  cancel() {
    const active = Boolean(this.gesture);
    this.gesture?.cancel();
    this.gesture = null;
    this.pan = null;
    return active;
  }

  // The corner follows the pointer without a button held until the next click.
  grab(handle) {
    const { store, viewport } = this.editor;
    const [box] = store.selected();
    if (!box || store.selection.size > 1 || !HANDLES.includes(handle)) return;
    this.cancel();
    const start = { image: handlePoint(box, handle), screen: viewport.toScreen(handlePoint(box, handle)) };
    this.gesture = resizing(this.editor, box, handle, start, true);
  }

  pinchStart() {
    this.cancel();
    this.pinch = this.spread();
  }

  spread() {
    const [a, b] = [...this.fingers.values()];
    return { x: (a.x + b.x) / 2, y: (a.y + b.y) / 2, d: Math.hypot(a.x - b.x, a.y - b.y) };
  }

  pinchMove() {
    if (this.fingers.size < 2) return;
    const now = this.spread();
    const { viewport } = this.editor;
    viewport.panBy(now.x - this.pinch.x, now.y - this.pinch.y);
    if (this.pinch.d) viewport.zoomBy(now.d / this.pinch.d, now);
    this.pinch = now;
  }

  wheel(event) {
    event.preventDefault();
    const lines = event.deltaMode === 1 ? 16 : 1;
    const speed = event.ctrlKey ? 0.01 : 0.002;
    this.editor.viewport.zoomBy(Math.exp(-event.deltaY * lines * speed), this.at(event).screen);
  }

  double(event) {
    const { editor } = this;
    if (editor.tool === "select" && !under(editor.targets(), this.at(event).image).length) editor.viewport.fit();
  }
}
