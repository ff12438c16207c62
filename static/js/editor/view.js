// Draws the boxes at rest; a change touches only what the boxes it names belong to.

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
const MOST_WIDTHS = 2000;

export function textWidth(text, font = "12px system-ui, sans-serif") {
  if (!widths.has(font + text)) {
    if (widths.size > MOST_WIDTHS) widths.clear(); // sizes of boxes in the hand are ever new
    pen.font = font;
    widths.set(font + text, pen.measureText(text).width);
  }
  return widths.get(font + text);
}

const MOST_TAGS = 200;
const A_PART = 12;
const MOST_PARTS = 8;

const near = (value) => Math.round(value * 100) / 100;
const outline = ({ x, y, w, h }) => `M${near(x)} ${near(y)}h${near(w)}v${near(h)}h${-near(w)}z`;

// All boxes that look alike and lie in the same part of the image are one path: so two thousand are few elements, and
// each tile of the screen strokes only those near it. Selected boxes are not here: the overlay draws them.
export class View {
  constructor(editor) {
    this.editor = editor;
    this.looks = new Map();
    this.layers = new Map();
    this.tags = new Map();
    this.world = editor.base.querySelector(".world");
    this.tagLayer = editor.base.querySelector(".tags");
    this.hovered = null;
  }

  // drawn: the labels of which all boxes are here and unchanged, as after drawing ahead.
  rebuild() {
    const { source } = this.editor.store;
    if (this.drawn === source) return;
    for (const drawn of [this.looks, this.layers, this.tags]) drawn.clear();
    this.world.replaceChildren();
    this.tagLayer.replaceChildren();
    this.crowded = true; // until all are there, none is worth a tag
    const all = this.editor.store.all();
    this.parts = Math.min(Math.ceil(Math.sqrt(all.length / A_PART)), MOST_PARTS);
    this.update(all.map((box) => box.id));
    this.tagScale = null;
    this.drawn = source;
  }

  update(ids) {
    this.drawn = null;
    const stale = new Set();
    for (const id of ids) {
      const box = this.editor.store.get(id);
      const look = box ? this.lookOf(box) : null;
      const before = this.looks.get(id);
      if (before) this.layers.get(before).ids.delete(id);
      if (look) this.layer(look, box.z).ids.add(id);
      if (look) this.looks.set(id, look);
      else this.looks.delete(id);
      for (const one of [before, look]) if (one) stale.add(one);
      if (box) this.tag(box);
      else this.untag(id);
    }
    for (const look of stale) this.draw(this.layers.get(look));
  }

  // What decides how a box looks: its class, its state, and how far forward it was brought. None: not drawn here.
  lookOf(box) {
    const { editor } = this;
    const shown = editor.isShown(box);
    if (editor.store.selection.has(box.id) || (!shown && !editor.isGhost(box))) return null;
    const states = [box.pending ? "predicted" : "decided", shown ? "" : "ghost", editor.store.flag(box.id).locked ? "locked" : ""];
    return `box ${editor.classOf(box).paint} ${states.filter(Boolean).join(" ")} z${box.z} ${this.partOf(box)}`;
  }

  partOf({ x, y, w, h }) {
    const { size } = this.editor.store;
    const [column, row] = [(x + w / 2) / size.w, (y + h / 2) / size.h].map((at) => Math.floor(at * this.parts));
    return `part-${column}-${row}`;
  }

  layer(look, z) {
    let layer = this.layers.get(look);
    if (layer) return layer;
    const group = svg("g", { class: look }, svg("path", { class: "halo" }), svg("path", { class: "line" }));
    layer = { ids: new Set(), group, z };
    this.layers.set(look, layer);
    const above = [...this.layers.values()].filter((other) => other.z > z).sort((a, b) => a.z - b.z)[0];
    this.world.insertBefore(group, above ? above.group : null);
    return layer;
  }

  draw({ ids, group }) {
    const d = [...ids].map((id) => outline(this.editor.store.get(id))).join("");
    for (const path of group.children) path.setAttribute("d", d);
  }

  hover(id) {
    if (id === this.hovered) return;
    const both = [this.hovered, id].map((one) => this.editor.store.get(one));
    this.hovered = id;
    for (const box of both) if (box) this.tag(box);
    this.showHover();
  }

  showHover() {
    const { overlay, store } = this.editor;
    overlay.hover(store.selection.has(this.hovered) ? null : store.get(this.hovered) || null);
  }

  move() {
    const { scale, x, y } = this.editor.viewport;
    const transform = `translate(${x} ${y}) scale(${scale})`;
    if (this.tagScale && this.world.getAttribute("transform") === transform) return;
    for (const layer of [this.world, this.tagLayer]) layer.setAttribute("transform", transform);
    if (scale !== this.tagScale || this.editor.store.boxes.size > MOST_TAGS) this.tagAll();
  }

  tagAll() {
    const all = this.editor.store.all();
    this.tagScale = this.editor.viewport.scale;
    this.crowded = all.length > MOST_TAGS && all.filter((box) => this.hasRoom(box)).length > MOST_TAGS;
    for (const box of all) this.tag(box);
  }

  // Whether a tag fits into the box, and on a full image whether the box is in sight at all.
  hasRoom(box) {
    const { viewport, store, prefs } = this.editor;
    const rect = viewport.rectOnScreen(box);
    if (rect.h < prefs.tagSize * 2.4 || rect.w < this.tagWidth(box)) return false;
    const { w, h } = viewport.pane;
    return store.boxes.size <= MOST_TAGS || (rect.x < w && rect.y < h && rect.x + rect.w > 0 && rect.y + rect.h > 0);
  }

  tagWidth(box) {
    return textWidth(this.editor.tagText(box), `${this.editor.prefs.tagSize}px system-ui, sans-serif`) + 8;
  }

  untag(id) {
    this.tags.get(id)?.remove();
    this.tags.delete(id);
  }

  // Tags of boxes in the hand are out of the way.
  lift(ids, lifted) {
    for (const id of ids) this.tags.get(id)?.classList.toggle("lifted", lifted);
  }

  // A name tag only where there is room for it, or on the box under the pointer or selected.
  tag(box) {
    const { editor } = this;
    const { scale } = editor.viewport;
    const size = editor.prefs.tagSize;
    const called = box.id === this.hovered || editor.store.selection.has(box.id);
    if (!size || !editor.isShown(box) || (!called && (this.crowded || !this.hasRoom(box)))) return this.untag(box.id);
    const text = editor.tagText(box);
    const width = this.tagWidth(box);
    let tag = this.tags.get(box.id);
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
