// The panel beside the canvas: classes, the list of boxes with exact fields, the pre-label slider, how things look.

import { MIN_SIDE, keepInside } from "./geometry.js";
import { changed } from "./store.js";

const ROW = 32;
const SPARE = 4;

// A text that stays as it was costs no layout.
function write(element, value) {
  const text = String(value);
  if (element.textContent !== text) element.textContent = text;
}

export class Panel {
  constructor(editor, root, keymap) {
    Object.assign(this, { editor, root, keymap, stale: new Set(), rows: new Map(), recent: [] });
    this.find = (selector) => root.querySelector(selector);
    this.list = this.find(".box-list");
    this.makeClasses();
    this.bindFields();
    this.bindList();
    this.bindPrefs();
    editor.on((news) => this.hear(news));
    this.hear({ reset: true, current: true, pref: true });
  }

  // Drawn once a frame, away from the pointer's own handler.
  hear(news) {
    if (news.reset || news.ids || news.shown) this.stale.add("boxes");
    if (news.reset || news.ids || news.selection) this.stale.add("fields");
    if (news.current || news.selection || news.ids) this.stale.add("classes");
    if (news.pref) this.stale.add("prefs");
    if (news.view) this.stale.add("zoom");
    if (news.selection) this.stale.add("reveal");
    if (this.stale.size && !this.frame) this.frame = requestAnimationFrame(() => this.draw());
  }

  draw() {
    const stale = this.stale;
    [this.frame, this.stale] = [0, new Set()];
    if (stale.has("boxes")) this.drawCounts();
    if (stale.has("reveal")) this.reveal();
    if (stale.has("boxes") || stale.has("reveal")) this.drawList();
    if (stale.has("fields")) this.drawFields();
    if (stale.has("classes")) this.drawCurrent();
    if (stale.has("prefs")) this.drawPrefs();
    if (stale.has("zoom")) write(document.querySelector("[data-zoom]"), `${Math.round(this.editor.viewport.scale * 100)} %`);
  }

  makeClasses() {
    const template = this.find("#class-row");
    const filter = this.find("[data-filter]");
    this.classRows = this.editor.classes.map((one, n) => {
      const row = template.content.firstElementChild.cloneNode(true);
      const button = row.querySelector("button");
      button.classList.add(one.paint);
      row.querySelector(".swatch").classList.toggle("repeat", one.repeat);
      button.dataset.class = one.id;
      row.querySelector(".name").textContent = one.name;
      button.addEventListener("click", () => this.choose(one.id));
      return { one, row, button, action: n < 20 ? `class-${n + 1}` : null, count: row.querySelector(".count") };
    });
    this.labelKeys();
    this.find(".class-list").append(...this.classRows.map(({ row }) => row));
    filter.addEventListener("input", () => this.filter(filter.value));
    filter.addEventListener("focus", () => this.filter(filter.value));
    filter.addEventListener("keydown", (event) => {
      if (event.key === "Enter") this.chooseFirst(filter);
      if (event.key === "Escape" || event.key === "Enter") this.leaveFilter(filter);
    });
  }

  labelKeys() {
    for (const { one, row, button, action } of this.classRows) {
      const key = action ? this.keymap.keysOf(action).join(" or ") : "";
      row.querySelector("kbd").textContent = key;
      button.title = [one.path, key && ` (${key})`, one.description && `: ${one.description}`].filter(Boolean).join("");
    }
  }

  choose(id) {
    this.recent = [id, ...this.recent.filter((one) => one !== id)].slice(0, 5);
    this.editor.setClass(id);
  }

  chooseFirst(filter) {
    const found = this.matching(filter.value)[0];
    if (found) this.choose(found.one.id);
  }

  leaveFilter(filter) {
    filter.value = "";
    this.filter(null);
    this.editor.stage.focus();
  }

  matching(text) {
    const words = text.trim().toLowerCase();
    const rank = ({ one }) => (this.recent.indexOf(one.id) + 1) || 99;
    return this.classRows.filter(({ one }) => one.path.toLowerCase().includes(words)).sort((a, b) => rank(a) - rank(b));
  }

  // While one filters, recent classes come first; otherwise the order never changes under the hand.
  filter(text) {
    const shown = text === null ? this.classRows : this.matching(text);
    this.find(".class-list").replaceChildren(...shown.map(({ row }) => row));
  }

  drawCurrent() {
    for (const { one, button } of this.classRows) button.setAttribute("aria-pressed", one.id === this.editor.current);
  }

  drawCounts() {
    const { editor } = this;
    const counts = new Map();
    for (const box of editor.store.all()) if (!box.pending) counts.set(box.category, (counts.get(box.category) || 0) + 1);
    for (const { one, count } of this.classRows) write(count, counts.get(one.id) || "");
    const undecided = editor.undecided();
    const shown = editor.doubts().length;
    for (const part of [".review", ".thumbs-bar"]) this.find(part).hidden = !editor.hadPrelabels;
    write(this.find("[data-undecided]"), `${shown} shown, ${undecided.length - shown} hidden`);
    write(this.find("[data-boxes]"), editor.store.all().length);
    this.find(".no-boxes").hidden = editor.store.all().length > 0;
  }

  bindList() {
    this.list.addEventListener("scroll", () => this.drawList(), { passive: true });
    this.list.addEventListener("click", (event) => {
      const id = event.target.closest("[data-box]")?.dataset.box;
      if (!id) return;
      const { selection } = this.editor.store;
      if (event.shiftKey) this.editor.store.select(selection.has(id) ? [...selection].filter((one) => one !== id) : [...selection, id]);
      else this.editor.goTo(this.editor.store.get(id));
    });
    this.list.addEventListener("keydown", (event) => {
      const by = { ArrowDown: 1, ArrowUp: -1 }[event.key];
      if (!by) return;
      event.preventDefault();
      const all = this.editor.store.all();
      const at = all.findIndex((box) => this.editor.store.selection.has(box.id));
      const to = all[Math.min(Math.max(at + by, 0), all.length - 1)];
      if (to) this.editor.goTo(to);
    });
  }

  reveal() {
    const at = this.editor.store.all().findIndex((box) => this.editor.store.selection.has(box.id));
    if (at < 0) return;
    const { scrollTop, clientHeight } = this.list;
    if (at * ROW < scrollTop) this.list.scrollTop = at * ROW;
    else if ((at + 1) * ROW > scrollTop + clientHeight) this.list.scrollTop = (at + 1) * ROW - clientHeight;
  }

  // Only the rows in sight exist, so that two thousand boxes cost what twenty do.
  drawList() {
    const all = this.editor.store.all();
    const first = Math.max(0, Math.floor(this.list.scrollTop / ROW) - SPARE);
    const last = Math.min(all.length, Math.ceil((this.list.scrollTop + this.list.clientHeight) / ROW) + SPARE);
    const spacer = this.list.firstElementChild;
    spacer.style.height = `${all.length * ROW}px`;
    const wanted = new Map();
    for (let n = first; n < last; n += 1) wanted.set(all[n].id, this.row(all[n], n, all.length));
    for (const [id, row] of this.rows) if (!wanted.has(id)) row.remove();
    this.rows = wanted;
    const active = [...this.editor.store.selection].find((id) => wanted.has(id));
    if (active) this.list.setAttribute("aria-activedescendant", wanted.get(active).id);
    else this.list.removeAttribute("aria-activedescendant");
  }

  row(box, n, total) {
    const { editor } = this;
    let row = this.rows.get(box.id);
    if (!row) {
      row = this.find("#box-row").content.firstElementChild.cloneNode(true);
      row.dataset.box = box.id;
      row.id = `row-${box.id}`;
      this.list.firstElementChild.append(row);
    }
    const flags = editor.store.flag(box.id);
    const notes = [box.pending ? `${Math.round((box.confidence ?? 1) * 100)} %` : "", flags.locked ? "locked" : "", editor.isShown(box) ? "" : "hidden"];
    const { name, paint } = editor.classOf(box);
    row.className = `box-row ${paint}${box.pending ? " predicted" : ""}`;
    row.style.top = `${n * ROW}px`;
    row.setAttribute("aria-selected", editor.store.selection.has(box.id));
    row.setAttribute("aria-posinset", n + 1);
    row.setAttribute("aria-setsize", total);
    write(row.querySelector(".name"), name);
    write(row.querySelector(".note"), notes.filter(Boolean).join(" · "));
    return row;
  }

  bindFields() {
    this.fields = [...this.root.querySelectorAll("[data-field]")];
    const commit = (input) => {
      input.typed = false;
      const [box] = this.editor.store.selected();
      const value = Number.parseFloat(input.value);
      if (!box || !Number.isFinite(value)) return this.drawFields();
      const { size } = this.editor.store;
      const rect = { x: box.x, y: box.y, w: box.w, h: box.h, [input.dataset.field]: value };
      rect.w = Math.max(rect.w, MIN_SIDE);
      rect.h = Math.max(rect.h, MIN_SIDE);
      this.editor.change([box], (one) => changed(one, keepInside(rect, size)), `field-${input.dataset.field}`);
      return this.drawFields();
    };
    for (const input of this.fields) {
      input.addEventListener("input", () => { input.typed = true; }); // a frame that comes late writes nothing over it
      input.addEventListener("change", () => commit(input));
      input.addEventListener("blur", () => {
        input.typed = false;
        this.drawFields();
      });
      input.addEventListener("keydown", (event) => {
        if (event.key === "Enter") commit(input);
        if (event.key !== "Escape") return;
        input.typed = false;
        this.drawFields();
        this.editor.stage.focus();
      });
    }
  }

  drawFields() {
    const chosen = this.editor.store.selected();
    const [box] = chosen;
    const one = chosen.length === 1;
    write(this.find("[data-chosen]"), one ? this.editor.classOf(box).name : chosen.length ? `${chosen.length} boxes selected` : "No box selected");
    for (const input of this.fields) {
      input.disabled = !one || this.editor.readonly || Boolean(this.editor.store.flag(box.id).locked);
      const text = one ? String(Math.round(box[input.dataset.field] * 100) / 100) : "";
      if (!input.typed && input.value !== text) input.value = text;
    }
  }

  bindPrefs() {
    this.prefInputs = [...this.root.querySelectorAll("[data-pref]")];
    this.ofClass = this.find("[data-slider-class]");
    this.ofClass.append(...this.editor.classes.map(({ id, name }) => new Option(name, id)));
    this.ofClass.addEventListener("change", () => this.hear({ pref: "slider" }));
    for (const input of this.prefInputs) {
      const name = input.dataset.pref;
      input.addEventListener("input", () => {
        const number = () => Number(input.value) / Number(input.dataset.scale || 1);
        if (name === "slider") this.editor.setSlider(number(), this.sliderClass());
        else this.editor.setPref(name, input.type === "checkbox" ? input.checked : input.type === "color" ? input.value : number());
      });
    }
  }

  sliderClass() {
    return this.ofClass.value === "" ? null : Number(this.ofClass.value);
  }

  drawSliders() {
    const { classSliders } = this.editor.prefs;
    for (const option of this.ofClass.options) {
      const own = option.value === "" ? undefined : classSliders[option.value];
      const name = option.value === "" ? "all classes" : this.editor.byId.get(Number(option.value)).name;
      option.textContent = own === undefined ? name : `${name} (${Math.round(own * 100)} %)`;
    }
  }

  drawPrefs() {
    this.drawSliders();
    for (const input of this.prefInputs) {
      const { pref } = input.dataset;
      const value = pref === "slider" ? this.editor.sliderOf(this.sliderClass()) : this.editor.prefs[pref];
      if (input.type === "checkbox") input.checked = value;
      else if (input.type === "color") input.value = value;
      else input.value = Math.round(value * Number(input.dataset.scale || 1));
      const shown = input.parentElement.querySelector("output");
      if (shown) shown.textContent = `${input.value}${input.dataset.unit || ""}`;
    }
    this.stale.add("boxes");
    if (!this.frame) this.frame = requestAnimationFrame(() => this.draw());
  }
}
