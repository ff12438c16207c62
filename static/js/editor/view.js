// Draws the boxes at rest, one SVG group a box; a change touches only the groups of the boxes it names.

const NS = "http://www.w3.org/2000/svg";

export function svg(name, attributes = {}, ...children) {
  const element = document.createElementNS(NS, name);
  put(element, attributes);
  element.append(...children);
  return element;
}

export function put(element, attributes) {
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
}

export const place = (rect, { x, y, w, h }) => put(rect, { x, y, width: w, height: h });

const pen = document.createElement("canvas").getContext("2d");
const widths = new Map();

export function textWidth(text, font = "12px system-ui, sans-serif") {
  if (!widths.has(font + text)) {
    pen.font = font;
    widths.set(font + text, pen.measureText(text).width);
  }
  return widths.get(font + text);
}

export class View {
  constructor(editor) {
    this.editor = editor;
    this.groups = new Map();
    this.tags = new Map();
    this.world = editor.base.querySelector(".world");
    this.tagLayer = editor.base.querySelector(".tags");
    this.hovered = null;
  }

  rebuild() {
    this.groups.clear();
    this.tags.clear();
    this.tagLayer.replaceChildren();
    const all = document.createDocumentFragment();
    for (const box of this.editor.store.all()) all.append(this.group(box));
    this.world.replaceChildren(all);
    this.tagAll();
  }

  update(ids) {
    for (const id of ids) {
      const box = this.editor.store.get(id);
      const group = this.groups.get(id);
      if (!box) this.remove(id);
      else if (!group) this.world.append(this.group(box));
      else this.dress(group, box);
      if (box) this.tag(box);
    }
  }

  reorder() {
    for (const box of this.editor.store.all()) this.world.append(this.groups.get(box.id));
  }

  remove(id) {
    for (const layer of [this.groups, this.tags]) {
      layer.get(id)?.remove();
      layer.delete(id);
    }
  }

  group(box) {
    const group = svg("g", { "data-id": box.id }, svg("rect", { class: "halo" }), svg("rect", { class: "line" }));
    this.groups.set(box.id, group);
    this.dress(group, box);
    return group;
  }

  dress(group, box) {
    const { editor } = this;
    const selected = editor.store.selection.has(box.id);
    const kind = [
      "box", editor.classOf(box).paint, box.pending ? "predicted" : "decided", selected ? "selected" : "",
      editor.isShown(box) ? "" : editor.isGhost(box) ? "ghost" : "off", editor.store.flag(box.id).locked ? "locked" : "",
    ].filter(Boolean).join(" ");
    if (group.getAttribute("class") !== kind) group.setAttribute("class", kind);
    if (group.drawn !== box) for (const rect of group.children) place(rect, box);
    group.drawn = box;
  }

  // A box that is being dragged is drawn by the overlay alone.
  lift(ids, lifted) {
    for (const id of ids) {
      this.groups.get(id)?.classList.toggle("lifted", lifted);
      this.tags.get(id)?.classList.toggle("lifted", lifted);
    }
  }

  hover(id) {
    if (id === this.hovered) return;
    const before = this.hovered;
    this.hovered = id;
    for (const one of [before, id]) {
      const box = one && this.editor.store.get(one);
      if (box) this.tag(box);
      this.groups.get(one)?.classList.toggle("hovered", one === id);
    }
  }

  move() {
    const { scale, x, y } = this.editor.viewport;
    this.world.setAttribute("transform", `translate(${x} ${y}) scale(${scale})`);
    this.tagLayer.setAttribute("transform", `translate(${x} ${y}) scale(${scale})`);
    if (scale !== this.tagScale) this.tagAll();
  }

  tagAll() {
    this.tagScale = this.editor.viewport.scale;
    for (const box of this.editor.store.all()) this.tag(box);
  }

  // A name tag only where there is room for it, or on the box under the pointer or selected.
  tag(box) {
    const { editor } = this;
    const { scale } = editor.viewport;
    const text = editor.tagText(box);
    const size = editor.prefs.tagSize;
    const width = textWidth(text, `${size}px system-ui, sans-serif`) + 8;
    const wanted = box.id === this.hovered || editor.store.selection.has(box.id)
      || (box.w * scale >= width && box.h * scale >= size * 2.4);
    let tag = this.tags.get(box.id);
    if (!wanted || !editor.isShown(box) || !size) {
      tag?.remove();
      return this.tags.delete(box.id);
    }
    if (!tag) {
      tag = svg("g", {}, svg("rect", { rx: 2 }), svg("text", { x: 4 }));
      this.tags.set(box.id, tag);
      this.tagLayer.append(tag);
    }
    const above = box.y * scale >= size + 6;
    put(tag, {
      class: `name-tag ${editor.classOf(box).paint}${box.pending ? " predicted" : ""}`,
      transform: `translate(${box.x} ${box.y}) scale(${1 / scale}) translate(0 ${above ? -size - 6 : 1})`,
    });
    put(tag.firstChild, { width, height: size + 5 });
    put(tag.lastChild, { y: size, "font-size": size });
    if (tag.lastChild.textContent !== text) tag.lastChild.textContent = text;
    return tag;
  }
}
