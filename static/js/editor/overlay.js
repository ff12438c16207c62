// What moves with the pointer: crosshair, the box being drawn or dragged, handles, guides. In screen pixels, in an
// SVG of its own, so that moving the pointer never touches the boxes at rest.

import { HANDLES, handlePoint } from "./geometry.js";
import { place, put, svg, textWidth } from "./view.js";

export class Overlay {
  constructor(editor) {
    this.editor = editor;
    const root = editor.live;
    this.over = root.querySelector(".over");
    this.outlines = root.querySelector(".outlines");
    this.handles = root.querySelector(".handles");
    this.crosshair = root.querySelector(".crosshair");
    this.guides = root.querySelector(".guides");
    this.marquee = root.querySelector(".marquee");
    this.points = root.querySelector(".points");
    this.label = root.querySelector(".size-label");
    this.handles.append(...HANDLES.map((name) => svg("rect", { class: `handle ${name}`, "data-handle": name })));
  }

  hover(box) {
    this.over.setAttribute("class", box ? `over ${this.editor.classOf(box).paint}` : "off");
    if (!box) return;
    place(this.over, this.editor.viewport.rectOnScreen(box));
  }

  // Boxes as they are shown now: those in the hand instead of those in the store.
  select(boxes, handles) {
    const { viewport } = this.editor;
    while (this.outlines.children.length < boxes.length) {
      this.outlines.append(svg("g", {}, svg("rect", { class: "halo" }), svg("rect", { class: "line" })));
    }
    while (this.outlines.children.length > boxes.length) this.outlines.lastChild.remove();
    boxes.forEach((box, index) => {
      const group = this.outlines.children[index];
      const paint = `box selected ${this.editor.classOf(box).paint}${box.pending ? " predicted" : ""}`;
      if (group.getAttribute("class") !== paint) group.setAttribute("class", paint);
      const rect = viewport.rectOnScreen(box);
      for (const child of group.children) place(child, rect);
    });
    this.handles.classList.toggle("off", !handles);
    if (!handles) return;
    const rect = viewport.rectOnScreen(handles);
    const half = this.editor.touch ? 8 : 4.5;
    for (const handle of this.handles.children) {
      const p = handlePoint(rect, handle.dataset.handle);
      place(handle, { x: p.x - half, y: p.y - half, w: 2 * half, h: 2 * half });
    }
  }

  cross(point) {
    this.crosshair.classList.toggle("off", !point);
    if (!point) return;
    const { w, h } = this.editor.viewport.pane;
    const lines = this.crosshair.children;
    for (const index of [0, 2]) put(lines[index], { x1: 0, x2: w, y1: point.y, y2: point.y });
    for (const index of [1, 3]) put(lines[index], { x1: point.x, x2: point.x, y1: 0, y2: h });
  }

  guide(x, y) {
    const { viewport } = this.editor;
    const [across, down] = this.guides.children;
    across.classList.toggle("off", y === null);
    down.classList.toggle("off", x === null);
    const at = viewport.toScreen({ x: x ?? 0, y: y ?? 0 });
    put(across, { x1: 0, x2: viewport.pane.w, y1: at.y, y2: at.y });
    put(down, { y1: 0, y2: viewport.pane.h, x1: at.x, x2: at.x });
  }

  frame(rect) {
    this.marquee.classList.toggle("off", !rect);
    if (rect) place(this.marquee, this.editor.viewport.rectOnScreen(rect));
  }

  dots(points) {
    const { viewport } = this.editor;
    this.points.replaceChildren(...points.map((point) => {
      const p = viewport.toScreen(point);
      return svg("circle", { cx: p.x, cy: p.y, r: 4 });
    }));
  }

  measure(box) {
    this.label.classList.toggle("off", !box);
    if (!box) return;
    const rect = this.editor.viewport.rectOnScreen(box);
    const text = `${Math.round(box.w)} × ${Math.round(box.h)} px`;
    const width = textWidth(text) + 12;
    const { w, h } = this.editor.viewport.pane;
    const x = Math.min(Math.max(rect.x + rect.w + 8, 4), w - width - 4);
    const y = Math.min(Math.max(rect.y + rect.h + 8, 4), h - 26);
    this.label.setAttribute("transform", `translate(${x} ${y})`);
    this.label.firstElementChild.setAttribute("width", width);
    if (this.label.lastElementChild.textContent !== text) this.label.lastElementChild.textContent = text;
  }
}
