// Brings every change to the server: journal first, then a save half a second later, again and again until it is there.

import { LoggedOut, Offline, Refused, call } from "./api.js";

const PAUSE_MS = 500;
const SAVED_MS = 14 * 24 * 3600_000;
const AGAIN_MS = [1000, 2000, 5000, 10_000];

export class Sync {
  // told(state, detail): saved, saving, changed, offline, login, refused. Who uses it sets conflict(record, body),
  // refused(record) and saved(record, revision).
  constructor({ journal, told, signal }) {
    Object.assign(this, { journal, told, records: new Map(), timers: new Map(), running: new Map(), failures: 0 });
    addEventListener("online", () => this.replay(), { signal });
    signal.addEventListener("abort", () => {
      for (const timer of this.timers.values()) clearTimeout(timer);
    });
  }

  // What an earlier page left behind.
  async restore() {
    for (const record of await this.journal.all()) {
      if (record.kind === "saved" && Date.now() - record.at > SAVED_MS) await this.journal.remove(record.id);
      else this.records.set(record.id, record);
    }
    return [...this.records.values()];
  }

  get waiting() {
    return [...this.records.values()].filter(({ kind }) => kind !== "saved");
  }

  note(record) {
    this.keep({ ...record, kind: "draft", at: Date.now() });
    this.later(record.id, PAUSE_MS);
    if (navigator.onLine) this.told("changed");
  }

  submit(record) {
    this.keep({ ...record, kind: "submit", at: Date.now() });
    return this.push(record.id);
  }

  // Takes a submit back that has not left yet; the draft stays.
  recall(id) {
    const record = this.records.get(id);
    if (record?.kind !== "submit" || this.running.has(id)) return null;
    this.keep({ ...record, kind: "draft" });
    return record;
  }

  keep(record) {
    this.records.set(record.id, record);
    this.journal.put(record).catch((error) => this.told("refused", `This browser keeps no copy: ${error.message}`));
  }

  forget(id) {
    clearTimeout(this.timers.get(id));
    this.records.delete(id);
    return this.journal.remove(id);
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
    const record = this.records.get(id);
    if (!record || record.kind === "saved" || this.running.has(id)) return;
    const work = this.send(record);
    this.running.set(id, work);
    await work;
    this.running.delete(id);
    const now = this.records.get(id);
    if (now && now !== record && now.kind !== "saved" && !this.failures) await this.push(id);
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

  async arrived(record, { revision }) {
    const now = this.records.get(record.id);
    if (record.kind === "submit") await this.forget(record.id);
    else if (now === record) this.keep({ ...record, kind: "saved", revision });
    else if (now) this.keep({ ...now, revision });
    if (record.kind === "draft") this.saved(record, revision);
    this.told(this.waiting.length ? "saving" : "saved");
  }

  async failed(record, error) {
    if (error instanceof LoggedOut) {
      this.failures += 1;
      this.told("login");
    } else if (error instanceof Offline) {
      this.failures += 1;
      this.told("offline", this.waiting.length);
      this.later(record.id, AGAIN_MS[Math.min(this.failures, AGAIN_MS.length) - 1]);
    } else if (error instanceof Refused && error.status === 409) {
      await this.conflict(this.records.get(record.id) || record, error.body);
      if (!this.waiting.length) this.told("saved");
    } else if (error instanceof Refused) {
      this.told("refused", error.message);
      await this.refused(this.records.get(record.id) || record);
    } else {
      throw error;
    }
  }
}
