// Undo and redo: stacks of change sets with the old and the new value of every box they touch.

const MERGE_MS = 400;

export class History {
  constructor(store) {
    this.store = store;
    this.clear();
  }

  clear({ done = [], undone = [] } = {}) {
    this.done = done;
    this.undone = undone;
  }

  // Changes of the same boxes under one merge name that follow each other quickly (nudges) become one step.
  commit(changes, merge = null, at = performance.now()) {
    const real = changes.filter(({ before, after }) => before !== after);
    if (!real.length) return;
    const last = this.done.at(-1);
    const same = merge && last?.merge === merge && last.changes.length === real.length && real.every(({ id }, n) => last.changes[n].id === id);
    if (same && at - last.at < MERGE_MS && !this.undone.length) {
      last.changes = real.map((change, n) => ({ ...change, before: last.changes[n].before }));
      last.at = at;
    } else {
      this.done.push({ changes: real, merge, at });
    }
    this.undone = [];
    this.store.apply(real);
  }

  undo() {
    const step = this.done.pop();
    if (!step) return false;
    this.undone.push(step);
    this.show(step.changes.map(({ id, before, after }) => ({ id, before: after, after: before })));
    return true;
  }

  redo() {
    const step = this.undone.pop();
    if (!step) return false;
    step.merge = null;
    this.done.push(step);
    this.show(step.changes);
    return true;
  }

  show(changes) {
    this.store.apply(changes);
    this.store.select(changes.filter(({ after }) => after).map(({ id }) => id));
  }

  // What clear() takes to go on from here.
  dump() {
    const bare = (steps) => steps.map(({ changes }) => ({ changes }));
    return { done: bare(this.done), undone: bare(this.undone) };
  }
}
