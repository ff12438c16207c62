// The boxes of one image, what is selected, and change sets: the only way in which boxes change.

import { fromNorm, toNorm } from "./geometry.js";

// Not crypto.randomUUID: browsers keep that from plain-HTTP hosts.
const newId = () => [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");

const GEOMETRY = ["x", "y", "w", "h", "category"];

export class Store {
  constructor() {
    this.listeners = [];
    this.load([], [], { w: 1, h: 1 });
  }

  on(listener) {
    this.listeners.push(listener);
  }

  tell(news) {
    for (const listener of this.listeners) listener(news);
  }

  // A box is undecided while it is still the predicted box itself: neither accepted, changed nor rejected.
  load(labels, prelabels, size) {
    const predicted = new Set(prelabels.map((label) => label.id));
    this.size = size;
    this.source = labels;
    this.selection = new Set();
    this.flags = new Map();
    this.count = labels.length;
    this.order = null;
    this.boxes = new Map(labels.map((label, n) => {
      const { bbox, ...rest } = label;
      const pending = label.source === "model" && !label.from && predicted.has(label.id);
      return [label.id, Object.freeze({ ...rest, ...fromNorm(bbox, size), z: 0, n, pending })];
    }));
    this.tell({ reset: true, ids: [], selection: true });
  }

  labels() {
    return labelsOf(this.all(), this.size);
  }

  // A new box of a person's own; it enters the store by a change set.
  draft(rect, category, more = {}) {
    this.count += 1;
    return { ...more, id: newId(), category, source: "human", ...rect, z: 0, n: this.count, pending: false };
  }

  get(id) {
    return this.boxes.get(id);
  }

  // In drawing order; do not change the array.
  all() {
    this.order ||= [...this.boxes.values()].sort((a, b) => a.z - b.z || a.n - b.n);
    return this.order;
  }

  selected() {
    return [...this.selection].map((id) => this.boxes.get(id));
  }

  flag(id) {
    return this.flags.get(id) || {};
  }

  setFlags(ids, flags) {
    for (const id of ids) this.flags.set(id, { ...this.flag(id), ...flags });
    this.tell({ ids, flags: true });
  }

  select(ids) {
    const before = this.selection;
    this.selection = new Set([...ids].filter((id) => this.boxes.has(id)));
    const touched = [...new Set([...before, ...this.selection])];
    if (touched.some((id) => before.has(id) !== this.selection.has(id))) this.tell({ ids: touched, selection: true });
  }

  // changes: [{id, before, after}]; null stands for "not there".
  apply(changes) {
    this.order = null;
    for (const { id, after } of changes) {
      if (after) this.boxes.set(id, Object.freeze(after));
      else this.boxes.delete(id);
      if (!after) this.flags.delete(id);
    }
    const gone = changes.filter(({ id, after }) => !after && this.selection.has(id));
    if (gone.length) this.selection = new Set([...this.selection].filter((id) => this.boxes.has(id)));
    this.tell({ ids: changes.map(({ id }) => id), changes, selection: gone.length > 0 });
  }
}

export const labelsOf = (boxes, size) => boxes.map(
  ({ x, y, w, h, z, n, pending, ...label }) => ({ ...label, bbox: toNorm({ x, y, w, h }, size) }));

// The box after a person changed it: a predicted box becomes theirs, and keeps the name of what it came from.
export function changed(box, patch) {
  const touched = GEOMETRY.some((key) => key in patch && patch[key] !== box[key]);
  return touched && box.pending ? { ...accepted(box), ...patch } : { ...box, ...patch };
}

export const accepted = (box) => ({ ...box, pending: false, source: "human", from: box.id });
