// From task to task: lease, load ahead, open, save, submit, skip, take back.

import { fromNorm } from "../editor/geometry.js";
import { accepted, labelsOf } from "../editor/store.js";
import { LoggedOut, Offline, Refused, call } from "./api.js";
import { choose, conflict } from "./dialogs.js";
import { Images } from "./images.js";
import { painted } from "./sync.js";

const AHEAD = 2;
const RENEW_MS = 5 * 60_000;
const AGAIN_MS = 10_000;
const DRAW_MS = 200;
const RECENT = 20;

const essence = (labels) => JSON.stringify(labels.map(({ id, category, bbox, from = "" }) => [id, category, from, ...bbox]).sort());
const sameWork = (a, b) => Boolean(a && b) && essence(a) === essence(b);

export class Flow {
  // page: what to show around the canvas; data: what the server wrote into the page.
  constructor({ editor, sync, clock, data, page, signal }) {
    Object.assign(this, { editor, sync, clock, data, page, tasks: [], done: [], left: new Map(), task: null, turn: 0, images: new Images() });
    sync.conflict = (record, body) => this.settleConflict(record, body);
    sync.refused = (record) => this.takeBack(record);
    sync.parked = (record) => this.lose(record);
    sync.saved = (record, revision) => this.noteSaved(record, revision);
    sync.submitted = (record, revision) => this.left.set(record.id, revision);
    editor.on(({ changes, stale }) => {
      if (changes) this.noteChange();
      if (stale) this.drawLater();
    });
    const renewal = setInterval(() => this.renew(), RENEW_MS);
    signal.addEventListener("abort", () => {
      clearInterval(renewal);
      clearTimeout(this.again);
      clearTimeout(this.drawing);
    });
  }

  async start() {
    await this.sync.restore();
    await this.sync.replay();
    await this.next();
  }

  // Runs a request; what failed is said in the page, and null comes back. quiet: nobody waits for what it does.
  async tell(url, data, quiet = false) {
    try {
      const answer = await call(url, data);
      if (!this.sync.waiting.length) this.page.reached();
      return answer;
    } catch (error) {
      if (error instanceof LoggedOut) this.page.status("login");
      else if (error instanceof Offline) this.page.offline(this.sync.waiting.length, quiet);
      else if (error instanceof Refused) this.page.hint(error.message);
      else throw error;
      return null;
    }
  }

  // Several callers at once share one request.
  more() {
    this.asking ||= this.tell(this.data.urls.next, {}, true).then((answer) => {
      this.asking = null;
      if (!answer) return false;
      const gone = new Set(this.sync.waiting.filter(({ kind }) => kind === "submit").map(({ id }) => id));
      const known = new Set(this.tasks.map(({ id }) => id));
      // An answer that was under way while a submit arrived still lists its task, as it was before.
      const isNew = ({ id, revision }) => !known.has(id) && !gone.has(id) && !(revision < this.left.get(id));
      this.tasks.push(...answer.tasks.filter(isNew));
      this.page.drawQueue(this);
      return true;
    });
    return this.asking;
  }

  async next() {
    if (!this.tasks.length) { // what is still to be seen belongs to no task any more
      this.turn += 1;
      this.task = null;
      this.editor.shut();
    }
    const { turn } = this;
    const asked = this.tasks.length > 0 || await this.more();
    if (turn !== this.turn) return null; // another one was opened meanwhile
    if (!this.tasks.length) return this.rest(!asked);
    await this.open(this.tasks[0]);
    await painted();
    return this.ahead();
  }

  rest(cut) {
    this.task = null;
    this.turn += 1;
    this.resting = true;
    this.page.showTask(null, { cut });
    clearTimeout(this.again);
    if (cut) this.again = setTimeout(() => this.wake(), AGAIN_MS);
  }

  // The connection is back, or somebody looks at the page again.
  async wake() {
    if (this.resting) await this.next();
    else await this.renew();
  }

  async ahead() {
    const coming = this.tasks.filter((task) => task !== this.task);
    if (coming.length <= AHEAD && !this.dry) this.dry = !(await this.more()) || this.tasks.length <= coming.length + 1;
    const near = this.near();
    for (const task of near) this.images.full(task).promise.then(() => this.drawAhead(), () => this.page.hint(`The image ${task.name} did not load`));
    this.images.keepOnly([this.task, ...near, ...this.done.slice(0, 1)].filter(Boolean));
    this.drawAhead();
  }

  // What comes after the open task: first what lies behind it in the queue, then what was passed over.
  near() {
    const at = this.tasks.indexOf(this.task);
    return [...this.tasks.slice(at + 1), ...this.tasks.slice(0, Math.max(at, 0))].slice(0, AHEAD);
  }

  drawLater() {
    clearTimeout(this.drawing);
    this.drawing = setTimeout(() => this.drawAhead(), DRAW_MS);
  }

  drawAhead() {
    const near = this.near().filter((task) => this.images.full(task).image);
    const sizeOf = ({ width, height }) => ({ w: width, h: height });
    this.editor.pictures.ahead(near.map((task) => [this.images.full(task).image, sizeOf(task)]));
    if (near.length) this.editor.drawAhead({ ...near[0], size: sizeOf(near[0]) });
  }

  async open(task) {
    this.turn += 1;
    const { turn } = this;
    this.resting = false;
    this.task = null; // until the image is there, nothing done on the canvas belongs to any task
    this.editor.shut();
    const kept = this.sync.whole(task.id);
    const mine = kept && kept.kind !== "submit" && kept.revision >= task.revision;
    if (kept?.kind === "saved" && !mine) await this.sync.forget(task.id);
    const work = mine ? kept : { labels: task.labels, seconds: task.seconds, history: task.history };
    const full = this.images.full(task);
    if (!full.image) this.page.loading(task);
    const image = full.image || await this.images.soonest(task).catch(() => null);
    if (turn !== this.turn) return;
    const size = { w: task.width, h: task.height };
    this.task = task;
    this.editor.open({ ...work, prelabels: task.prelabels, size, image: image || new Image(), preview: full.preview, readonly: this.data.readonly });
    this.editor.hadPrelabels = task.prelabels.length > 0 && (!this.data.review || this.editor.undecided().length > 0);
    this.clock.start(work.seconds || 0);
    this.page.showTask(task, { problem: image ? "" : "The image did not load." });
    if (mine && kept.kind === "parked") this.noteChange();
    if (image && image !== full.image) await this.sharpen(task, turn, size);
    if (kept && !mine && (kept.kind === "draft" || kept.kind === "parked")) await this.settleConflict(kept, { message: "This task changed elsewhere since you worked on it.", task });
  }

  async sharpen(task, turn, size) {
    try {
      const image = await this.images.full(task).promise;
      if (turn === this.turn && image !== this.editor.image) this.editor.setImage(image, size);
    } catch {
      if (turn === this.turn) this.page.showTask(task, { problem: "Only the small image loaded." });
    }
  }

  head() {
    const { id, url, name } = this.task;
    const revision = Math.max(this.sync.records.get(id)?.revision ?? 0, this.task.revision);
    return { id, url, name, seconds: this.clock.seconds, revision };
  }

  // Boxes and steps never change, so what is open now can be written down later.
  body() {
    const { store, history } = this.editor;
    const [boxes, size, steps] = [store.all(), store.size, history.dump()];
    return () => ({ labels: labelsOf(boxes, size), history: steps });
  }

  noteChange() {
    if (this.task && !this.data.readonly) this.sync.note(this.head(), this.body());
  }

  noteSaved(record, revision) {
    const task = this.tasks.find(({ id }) => id === record.id);
    if (task) Object.assign(task, { revision, labels: record.labels, seconds: record.seconds, state: "in_progress" });
  }

  // What becomes of undecided pre-labels is the project's rule; it is said, and asked where the rule is to ask.
  async settle() {
    const { editor, task } = this;
    const undecided = editor.undecided();
    if (!undecided.length) return true;
    const sure = undecided.filter((box) => editor.isSure(box));
    const below = undecided.length - sure.length;
    let rule = this.data.undecided;
    if (rule === "ask") {
      rule = await choose({
        title: `${undecided.length} pre-labels are undecided`,
        text: below ? `${below} of them lie below the slider and would be dropped either way.` : "Nobody has accepted or rejected them.",
        options: [["accept", `Accept ${sure.length} and submit`], ["drop", `Drop ${undecided.length} and submit`], ["", "Back to the image"]],
      });
    } else {
      editor.hint(rule === "accept" ? `${sure.length} undecided pre-labels accepted, ${below} below the slider dropped` : `${undecided.length} undecided pre-labels dropped`);
    }
    if (!rule || this.task !== task) return false;
    const taken = new Set(rule === "accept" ? sure : []);
    editor.commit(undecided.map((box) => ({ id: box.id, before: box, after: taken.has(box) ? accepted(box) : null })));
    return true;
  }

  async mayBeEmpty(nothing) {
    const { store } = this.editor;
    const [count, undecided] = [store.all().length, this.editor.undecided().length];
    if (!nothing && count) return true;
    if (nothing && !count) return true;
    const text = nothing ? `${count} boxes${undecided ? `, ${undecided} of them predicted,` : ""} would be removed.` : "There is no box on this image.";
    return await choose({ title: "Nothing on this image", text, options: [["yes", "Submit as no objects"], ["", "Back to the image"]] }) === "yes";
  }

  async submit({ nothing = false, verb = "submit", extra = {}, settle = true } = {}) {
    const { editor, task } = this;
    if (!task || this.deciding) return;
    this.deciding = true;
    try {
      editor.pointer.cancel();
      if (settle && ((!nothing && !(await this.settle())) || !(await this.mayBeEmpty(nothing)))) return;
      if (this.task !== task) return; // another one came to the front while this one was asked about
      if (nothing) editor.commit(editor.store.all().map((box) => ({ id: box.id, before: box, after: null })));
      const head = { ...this.head(), verb, extra };
      editor.previous = editor.store.all().filter((box) => !box.pending);
      this.leave({ ...task, history: editor.history.dump() });
      this.sync.submit(head, this.body());
    } finally {
      this.deciding = false;
    }
    await this.next();
  }

  leave(task) {
    this.tasks = this.tasks.filter(({ id }) => id !== task.id);
    this.done = [task, ...this.done].slice(0, RECENT);
    this.dry = false;
    this.page.drawQueue(this);
  }

  // Skips a task or says what is wrong with it. What was drawn stays on the server, so it has to be there first.
  async pass(task, verb, data) {
    if (this.task === task) this.editor.shut();
    await this.sync.push(task.id);
    const kept = this.sync.waiting.some(({ id }) => id === task.id);
    const answer = kept ? this.page.hint(`${task.name} stays: what you drew is not saved yet`) : await this.tell(`${task.url}${verb}/`, data);
    if (!answer) {
      if (this.task === task) this.editor.readonly = this.data.readonly;
      return;
    }
    this.left.set(task.id, answer.revision);
    await this.sync.forget(task.id);
    this.tasks = this.tasks.filter(({ id }) => id !== task.id);
    this.dry = false;
    this.page.drawQueue(this);
    if (this.task === task) await this.next();
  }

  // Takes the last submit back: from the journal while it has not left, else from the server.
  async reopen(task = this.done[0]) {
    const last = task || (await this.tell(this.data.urls.recent))?.tasks[0];
    if (!last) return this.page.hint("Nothing to take back");
    const recalled = this.sync.recall(last.id);
    await this.sync.running.get(last.id);
    const answer = recalled ? { task: { ...last, labels: recalled.labels } } : await this.tell(`${last.url}reopen/`, {});
    if (!answer) return null;
    this.done = this.done.filter(({ id }) => id !== last.id);
    this.tasks = [{ ...answer.task, history: last.history }, ...this.tasks.filter(({ id }) => id !== last.id)];
    return this.next();
  }

  // Refused for what it holds: the work comes back as a draft, with its task in front.
  async takeBack(record) {
    if (record.kind !== "submit") return;
    this.sync.keep({ ...record, kind: "draft" });
    const task = this.done.find(({ id }) => id === record.id);
    if (!task) return;
    this.done = this.done.filter(({ id }) => id !== record.id);
    this.tasks.unshift(task);
    await this.open(task);
  }

  // The task is gone, or no longer this person's to see.
  async lose({ id, name }) {
    this.tasks = this.tasks.filter((task) => task.id !== id);
    this.page.hint(`${name} is no longer here; what you did to it stays in this browser for two weeks`);
    if (this.task?.id === id) await this.next();
  }

  async settleConflict(record, { message, task: newer }) {
    const about = newer || [this.task, ...this.tasks, ...this.done].find((task) => task?.id === record.id);
    if (!about) return this.sync.forget(record.id);
    if (newer?.open && newer.revision === record.revision) return this.refuse(record, message);
    if (newer && sameWork(record.labels, newer.labels)) return this.alreadyThere(record, newer);
    if (newer?.open && this.sync.mayHaveSent(record.id, (labels) => sameWork(labels, newer.labels))) {
      this.sync.keep({ ...record, revision: newer.revision });
      return this.sync.later(record.id, 0);
    }
    let choice = ""; // Escape decides nothing
    while (!choice) {
      choice = await conflict({
        message, name: record.name, mine: record.labels, theirs: newer?.labels, task: about, classes: this.editor.byId, open: newer?.open,
      });
    }
    if (choice === "mine") {
      const kept = { ...(this.sync.whole(record.id) || record), revision: newer.revision };
      this.sync.keep(kept);
      this.sync.later(record.id, 0);
      const shown = this.task?.id === record.id && this.body()().labels;
      return shown && !sameWork(shown, kept.labels) ? this.open(this.task) : null;
    }
    const size = { w: about.width, h: about.height };
    this.editor.clipboard = record.labels.map((label) => ({ category: label.category, ...fromNorm(label.bbox, size) }));
    await this.sync.forget(record.id);
    this.page.hint("Your version was put aside: paste brings its boxes back");
    return this.takeTheirs(record.id, newer);
  }

  // Refused although it is about the version that is there: it would be refused again.
  refuse(record, message) {
    const refused = { ...record, refused: true };
    this.sync.keep(refused);
    this.page.status("refused", message);
    return this.takeBack(refused);
  }

  // The request had arrived; its answer had not.
  alreadyThere(record, newer) {
    if (newer.open && record.kind === "submit") {
      this.sync.keep({ ...record, revision: newer.revision });
      return this.sync.later(record.id, 0);
    }
    if (!newer.open) {
      this.left.set(record.id, newer.revision);
      return this.sync.forget(record.id);
    }
    this.noteSaved(record, newer.revision);
    return this.sync.keep({ ...(this.sync.whole(record.id) || record), kind: "saved", revision: newer.revision });
  }

  async takeTheirs(id, newer) {
    const index = this.tasks.findIndex((task) => task.id === id);
    if (newer?.open && index >= 0) this.tasks[index] = newer;
    else this.tasks = this.tasks.filter((task) => task.id !== id);
    if (this.task?.id !== id) return;
    if (newer?.open && index >= 0) await this.open(newer);
    else await this.next();
  }

  async renew() {
    const ids = this.tasks.map(({ id }) => id);
    const answer = ids.length && await this.tell(this.data.urls.renew, { tasks: ids }, true);
    if (answer) await this.drop(new Set(ids.filter((id) => !answer.held.includes(id))));
  }

  // Tasks that went to others; what was done to one of them is settled when it is saved.
  async drop(gone) {
    const busy = new Set(this.sync.waiting.map(({ id }) => id));
    const { task } = this;
    const lost = this.tasks.filter(({ id }) => gone.has(id) && !busy.has(id));
    if (!lost.length) return;
    this.tasks = this.tasks.filter((one) => !lost.includes(one));
    this.page.drawQueue(this);
    if (!lost.includes(task)) return;
    this.page.hint(`${task.name} went to somebody else`);
    await this.next();
  }

  // Gives back what nobody has touched.
  async release() {
    const idle = this.tasks.filter((task) => task !== this.task && task.state !== "in_progress" && !this.sync.records.has(task.id));
    if (idle.length && !(await this.tell(this.data.urls.release, { tasks: idle.map(({ id }) => id) }))) return;
    this.tasks = this.tasks.filter((task) => !idle.includes(task));
    this.dry = true;
    this.page.drawQueue(this);
    this.page.hint(`${idle.length} tasks given back`);
    if (idle.includes(this.task)) await this.next(); // opened before the answer came
  }

}
