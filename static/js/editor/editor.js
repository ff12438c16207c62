// The canvas of one image: joins boxes, history, view, pointer and keys; knows nothing of tasks and servers.

import { iou, keepInside } from "./geometry.js";
import { History } from "./history.js";
import { Overlay } from "./overlay.js";
import { Pictures } from "./pictures.js";
import { Pointer } from "./pointer.js";
import { Store, changed } from "./store.js";
import { View } from "./view.js";
import { Viewport } from "./viewport.js";

const DUPLICATE_IOU = 0.9;
const FEW = 50;

export class Editor {
  constructor({ stage, classes, prefs, say, signal }) {
    Object.assign(this, { stage, classes, prefs, say, signal });
    this.base = stage.querySelector(".base");
    this.blank = this.base.cloneNode(true);
    this.live = stage.querySelector(".live");
    this.byId = new Map(classes.map((one) => [one.id, one]));
    Object.assign(this, { tool: "select", current: classes[0]?.id ?? null, readonly: false, touch: false, listeners: [] });
    Object.assign(this, { panKey: false, panned: false, hideAll: false, focus: null, clipboard: [], previous: [], hand: null });
    this.store = new Store();
    this.history = new History(this.store);
    this.viewport = new Viewport();
    this.pictures = new Pictures(stage, this.viewport);
    this.view = new View(this);
    this.overlay = new Overlay(this);
    this.pointer = new Pointer(this, signal);
    this.store.on((news) => this.follow(news));
    this.viewport.on(() => this.moved());
    this.watchSize();
    this.applyPrefs();
  }

  on(listener) {
    this.listeners.push(listener);
  }

  tell(news) {
    for (const listener of this.listeners) listener(news);
  }

  watchSize() {
    const measure = () => {
      const { width, height, left, top } = this.stage.getBoundingClientRect();
      if (!width || !height) return;
      this.view.tagScale = null; // other boxes may be in sight
      this.viewport.resize({ w: width, h: height, left, top });
      this.pictures.placeComing();
      this.forget();
    };
    const observer = new ResizeObserver(measure);
    observer.observe(this.stage);
    addEventListener("scroll", measure, { signal: this.signal, passive: true });
    this.signal.addEventListener("abort", () => observer.disconnect());
    measure();
  }

  // image: a decoded <img>; its place is laid out in the size the server knows, even if it is a small one. preview: a
  // small one that lies below it.
  open({ labels, prelabels, size, image, preview = null, history = {}, readonly = false }) {
    this.pointer.cancel();
    Object.assign(this, { readonly, focus: null, hideAll: false });
    this.pictures.open(image, size, preview);
    this.view.hover(null);
    this.history.clear(history);
    if (this.coming?.store.source === labels) this.turnTo(this.coming);
    this.viewport.size = this.viewport.size || size;
    this.store.load(labels, prelabels, size);
    this.viewport.show(size, this.prefs.keepView);
  }

  // Draws the boxes of the task that comes, unseen above the image, by an editor that shares all but boxes and place.
  drawAhead({ labels, prelabels, size }) {
    if (this.coming?.store.source === labels) return;
    this.forget();
    const [store, viewport, base] = [new Store(), new Viewport(), this.blank.cloneNode(true)];
    store.load(labels, prelabels, size);
    Object.assign(viewport, { pane: this.viewport.pane }).show(size, false);
    this.coming = Object.assign(Object.create(this), { store, viewport, base, focus: null, hideAll: false });
    this.coming.view = new View(this.coming);
    this.coming.view.rebuild();
    this.coming.view.move();
    base.classList.add("coming");
    this.base.before(base);
  }

  // What was drawn ahead no longer is what will be shown.
  forget() {
    if (!this.coming) return;
    this.coming.base.remove();
    this.coming = null;
    this.tell({ stale: true });
  }

  turnTo({ base, view }) {
    this.base.remove();
    base.classList.remove("coming");
    view.editor = this;
    Object.assign(this, { base, view, coming: null });
  }

  // Between two images: what is still shown can no longer be changed.
  shut() {
    this.pointer.cancel();
    this.readonly = true;
  }

  setImage(image, size) {
    this.pictures.set(image, size);
    this.moved();
  }

  get image() {
    return this.pictures.image;
  }

  follow({ reset, ids, changes, selection, flags }) {
    if (reset) this.view.rebuild();
    else this.view.update(ids);
    this.view.showHover();
    this.showHand(null);
    this.tell({ reset, ids, changes, selection, flags });
  }

  moved() {
    this.pictures.place();
    this.image.classList.toggle("pixelated", this.prefs.pixelated && this.viewport.scale > 2);
    this.view.move();
    this.view.showHover();
    this.showHand(this.hand);
    this.tell({ view: true });
  }

  // Boxes in the hand are shown instead of the selection; null shows the selection again.
  showHand(boxes) {
    this.hand = boxes;
    const shown = boxes || this.store.selected().filter((box) => this.isShown(box));
    const only = shown.length === 1 && !this.store.flag(shown[0].id).locked && shown[0].id !== "sketch" && !this.readonly;
    this.overlay.select(shown, only ? shown[0] : null);
    this.overlay.measure(boxes?.length === 1 ? boxes[0] : null);
  }

  applyPrefs() {
    const { brightness, contrast, saturation, invert, fill, boxOpacity, crossWidth, crossOpacity, crossColor } = this.prefs;
    const plain = brightness === 100 && contrast === 100 && saturation === 100 && !invert;
    const filter = plain ? "" : `brightness(${brightness}%) contrast(${contrast}%) saturate(${saturation}%) invert(${invert ? 1 : 0})`;
    this.pictures.paint(filter);
    this.stage.style.setProperty("--fill", fill / 100);
    this.stage.style.setProperty("--box-opacity", boxOpacity / 100);
    this.stage.style.setProperty("--cross-color", crossColor);
    this.stage.style.setProperty("--cross-width", crossWidth);
    this.stage.style.setProperty("--cross-opacity", crossOpacity / 100);
  }

  setPref(name, value) {
    this.prefs[name] = value;
    this.applyPrefs();
    if (["slider", "classSliders", "ghosts", "tagSize"].includes(name)) {
      this.forget();
      this.refresh();
    }
    if (name === "pixelated") this.moved();
    this.tell({ pref: name });
  }

  // Every box again: who is shown has changed.
  refresh() {
    this.view.update(this.store.all().map((box) => box.id));
    this.showHand(null);
    this.tell({ shown: true });
  }

  classOf(box) {
    return this.byId.get(box.category) || { name: `class ${box.category}`, paint: "c0" };
  }

  tagText(box) {
    return box.confidence === undefined || !box.pending ? this.classOf(box).name : `${this.classOf(box).name} ${Math.round(box.confidence * 100)} %`;
  }

  isShown(box) {
    if (this.hideAll || this.store.flag(box.id).hidden || (this.focus && !this.focus.has(box.id))) return false;
    return !box.pending || this.isSure(box);
  }

  // At or above the slider of its class, or the one for all.
  isSure({ confidence = 1, category }) {
    return confidence >= this.sliderOf(category);
  }

  sliderOf(category) {
    return this.prefs.classSliders[category] ?? this.prefs.slider;
  }

  // category null: the slider of all classes, which takes back what was set for one.
  setSlider(value, category = null) {
    if (category !== null) return this.setPref("classSliders", { ...this.prefs.classSliders, [category]: value });
    if (Object.keys(this.prefs.classSliders).length) this.setPref("classSliders", {});
    return this.setPref("slider", value);
  }

  isGhost(box) {
    return box.pending && this.prefs.ghosts && !this.hideAll && !this.isSure(box);
  }

  targets() {
    return this.store.all().filter((box) => this.isShown(box) && !this.store.flag(box.id).locked);
  }

  undecided() {
    return this.store.all().filter((box) => box.pending);
  }

  // Shown undecided boxes, the least sure first.
  doubts() {
    return this.undecided().filter((box) => this.isShown(box)).sort((a, b) => (a.confidence ?? 1) - (b.confidence ?? 1));
  }

  commit(changes, merge = null) {
    if (this.readonly) return;
    this.history.commit(changes, merge);
    if (changes.length <= FEW) this.pointOutTwin(changes.map(({ after }) => after));
  }

  // Two boxes of one class in one place are hardly ever meant.
  pointOutTwin(boxes) {
    const all = this.store.all();
    const twin = boxes.find((box) => box && all.some((other) =>
      other.id !== box.id && other.category === box.category && iou(other, box) > DUPLICATE_IOU));
    if (twin) this.hint(`Another ${this.classOf(twin).name} box lies almost exactly here`);
  }

  sketch(rect) {
    return { id: "sketch", category: this.current, pending: false, ...rect };
  }

  add(rect) {
    if (this.readonly) return;
    const box = this.store.draft(rect, this.current);
    this.commit([{ id: box.id, before: null, after: box }]);
    this.store.select([box.id]);
  }

  addAll(boxes) {
    const made = boxes.map(({ category, attributes, ...rect }) => this.store.draft(keepInside(
      { x: rect.x, y: rect.y, w: rect.w, h: rect.h }, this.store.size), category, attributes ? { attributes } : {}));
    this.commit(made.map((box) => ({ id: box.id, before: null, after: box })));
    this.store.select(made.map((box) => box.id));
  }

  // One undo step; locked boxes stay as they are.
  change(boxes, patch, merge = null) {
    const free = boxes.filter((box) => !this.store.flag(box.id).locked);
    this.commit(free.map((box) => ({ id: box.id, before: box, after: typeof patch === "function" ? patch(box) : changed(box, patch) })), merge);
  }

  remove(boxes) {
    const free = boxes.filter((box) => !this.store.flag(box.id).locked);
    this.commit(free.map((box) => ({ id: box.id, before: box, after: null })));
  }

  setClass(id) {
    if (!this.byId.has(id)) return;
    this.current = id;
    this.change(this.store.selected(), { category: id });
    this.tell({ current: true });
    this.say(`Class ${this.byId.get(id).name}`);
  }

  setTool(tool) {
    this.pointer.cancel();
    this.tool = tool;
    this.stage.dataset.tool = tool;
    this.view.hover(null);
    if (tool === "select") this.overlay.cross(null);
    this.tell({ tool });
  }

  setTouch(touch) {
    this.touch = touch;
  }

  setHideAll(on) {
    this.hideAll = on;
    this.refresh();
  }

  setFocus(ids) {
    this.focus = ids && new Set(ids);
    this.refresh();
  }

  hint(text) {
    this.say(text, true);
  }

  describe(box) {
    const all = this.store.all();
    const state = box.pending ? `predicted, ${Math.round((box.confidence ?? 1) * 100)} percent, undecided` : "";
    return [`Box ${all.indexOf(box) + 1} of ${all.length}`, this.classOf(box).name,
      `${Math.round(box.w)} by ${Math.round(box.h)} pixels at ${Math.round(box.x)}, ${Math.round(box.y)}`, state].filter(Boolean).join(", ");
  }

  // Selects a box, brings it into view and says what it is.
  goTo(box) {
    this.store.select([box.id]);
    const rect = this.viewport.rectOnScreen(box);
    const { w, h } = this.viewport.pane;
    const outside = rect.x < 0 || rect.y < 0 || rect.x + rect.w > w || rect.y + rect.h > h;
    if (this.prefs.zoomBoxes) this.viewport.centerOn(box);
    else if (outside) this.viewport.panBy(w / 2 - rect.x - rect.w / 2, h / 2 - rect.y - rect.h / 2);
    this.say(this.describe(box));
  }
}
