// Brings every change to the server: journal first, then a save half a second later, again and again until it is there.

import { LoggedOut, Offline, Refused, call } from "./api.js";

const PAUSE_MS = 500;
const KEPT_MS = 14 * 24 * 3600_000;
const AGAIN_MS = [1000, 2000, 5000, 10_000];
const FRAME_MS = 200;

// Resolves once the next frame is on the screen, which the one after it tells; a page that is hidden has none. What a
// person need not see at once waits for it.
export const painted = () => new Promise((resolve) => {
  requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(resolve)));
  setTimeout(resolve, FRAME_MS);
});

// Records are drafts and submits on their way; saved ones the server has, for parked ones it has no task.
const isDone = ({ kind }) => kind === "saved" || kind === "parked";

export class Sync {
  // told(state, detail): saved, saving, changed, offline, login, refused. Who uses it sets conflict(record, body),
  // refused(record), parked(record), saved(record, revision) and submitted(record, revision).
  constructor({ journal, told, signal }) {
    Object.assign(this, { journal, told, records: new Map(), timers: new Map(), running: new Map(), unsure: new Map(), failures: 0 });
    addEventListener("online", () => this.replay(), { signal });
    signal.addEventListener("abort", () => {
      for (const timer of this.timers.values()) clearTimeout(timer);
    });
  }

  // What an earlier page left behind.
  async restore() {
    const left = await this.journal.all().catch((error) => this.noCopy(error));
    for (const record of left || []) {
      if (isDone(record) && Date.now() - record.at > KEPT_MS) await this.journal.remove(record.id);
      else this.records.set(record.id, record);
    }
    return [...this.records.values()];
  }

  get waiting() {
    return [...this.records.values()].filter((record) => !isDone(record));
  }

  // body(): labels and history as they are now. To write them down is the costly part: it waits for the next frame, or
  // for whoever needs the whole record before.
  note(head, body) {
    this.records.set(head.id, { ...head, kind: "draft", at: Date.now(), body });
    painted().then(() => this.whole(head.id));
    this.later(head.id, PAUSE_MS);
    if (navigator.onLine) this.told("changed");
  }

  submit(head, body) {
    this.records.set(head.id, { ...head, kind: "submit", at: Date.now(), body });
    clearTimeout(this.timers.get(head.id));
    painted().then(() => this.push(head.id));
  }

  whole(id) {
    const { body, ...record } = this.records.get(id) || {};
    if (body) this.keep({ ...record, ...body() });
    return this.records.get(id);
  }

  // Takes a submit back that has not left yet; the draft stays.
  recall(id) {
    const record = this.whole(id);
    if (record?.kind !== "submit" || this.running.has(id)) return null;
    this.keep({ ...record, kind: "draft" });
    return record;
  }

  keep(record) {
    this.records.set(record.id, record);
    this.journal.put(record).catch((error) => this.noCopy(error));
  }

  noCopy(error) {
    this.told("refused", `This browser keeps no copy: ${error.message}`);
  }

  forget(id) {
    clearTimeout(this.timers.get(id));
    this.records.delete(id);
    this.unsure.delete(id);
    return this.journal.remove(id).catch((error) => this.noCopy(error));
  }

  later(id, pause) {
    clearTimeout(this.timers.get(id));
    this.timers.set(id, setTimeout(() => this.push(id), pause));
  }

  replay() {
    return Promise.all(this.waiting.map(({ id }) => this.push(id)));
  }

  // One request a task at a time: the next one needs the revision that this one brings back.
  async push(id) {
    clearTimeout(this.timers.get(id));
    await this.running.get(id);
    const record = this.whole(id);
    if (!record || isDone(record) || this.running.has(id)) return;
    const work = this.send(record).finally(() => this.running.delete(id));
    this.running.set(id, work);
    await work;
    const now = this.whole(id);
    if (now && now !== record && !now.refused && !isDone(now) && !this.failures) await this.push(id);
  }

  async send(record) {
    this.told("saving");
    const { labels, seconds, revision, url, kind, extra } = record;
    try {
      const answer = await call(`${url}${kind === "draft" ? "save" : record.verb || "submit"}/`, { labels, seconds, revision, ...extra });
      this.failures = 0;
      await this.arrived(record, answer);
    } catch (error) {
      await this.failed(record, error);
    }
  }

  // Whether one of the drafts whose answers did not come is the one that is meant.
  mayHaveSent(id, isMeant) {
    return [...this.unsure.get(id) || []].some(isMeant);
  }

  async arrived(record, { revision }) {
    this.unsure.delete(record.id);
    const now = this.whole(record.id);
    if (record.kind === "submit") this.submitted(record, revision);
    if (record.kind === "submit") await this.forget(record.id);
    else if (now === record) this.keep({ ...record, kind: "saved", revision });
    else if (now) this.keep({ ...now, revision });
    if (record.kind === "draft") this.saved(record, revision);
    this.tellState();
  }

  // What was refused waits for the person, the rest for the server.
  tellState() {
    const refused = this.waiting.filter((record) => record.refused).length;
    this.told(this.waiting.length > refused ? "saving" : refused ? "refused" : "saved");
  }

  async failed(record, error) {
    if (error instanceof LoggedOut) {
      this.failures += 1;
      this.told("login");
    } else if (error instanceof Offline) {
      this.failures += 1;
      this.told("offline", this.waiting.length);
      this.unsure.set(record.id, (this.unsure.get(record.id) || new Set()).add(record.labels)); // it may have arrived
      this.later(record.id, AGAIN_MS[Math.min(this.failures, AGAIN_MS.length) - 1]);
    } else if (error instanceof Refused && error.status === 409) {
      await this.conflict(this.whole(record.id) || record, error.body);
      if (!this.waiting.length) this.told("saved");
    } else if (error instanceof Refused && error.status === 404) {
      this.keep({ ...(this.whole(record.id) || record), kind: "parked" });
      this.tellState();
      await this.parked(record);
    } else if (error instanceof Refused) {
      const now = this.whole(record.id) || record;
      if (now === record) this.keep({ ...record, refused: true });
      this.told("refused", error.message);
      await this.refused(now);
    } else {
      throw error;
    }
  }
}
