// What a person set for themselves. Only what changed goes to the server, so that two windows undo nothing of each
// other; what did not arrive goes with the next change.

import { call } from "./api.js";

const PAUSE_MS = 800;
const OF_PROJECT = { slider: "sliders", classSliders: "classSliders" };

const same = (a, b) => JSON.stringify(a) === JSON.stringify(b);

export class Settings {
  constructor({ url, project, prefs, keymap, failed, signal }) {
    Object.assign(this, { url, project, prefs, keymap, failed, changed: new Set(), keys: { ...keymap.own }, timer: 0 });
    addEventListener("pagehide", () => this.timer && this.send(true), { signal });
  }

  note(name) {
    this.changed.add(name);
    this.later();
  }

  later() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.send(), PAUSE_MS);
  }

  // Keys by action; null gives an action its default again.
  keyPatch() {
    const { own } = this.keymap;
    const names = [...new Set([...Object.keys(this.keys), ...Object.keys(own)])];
    return Object.fromEntries(names.filter((name) => !same(this.keys[name], own[name])).map((name) => [name, own[name] ?? null]));
  }

  patch() {
    const entries = [...this.changed].map((name) => (OF_PROJECT[name]
      ? [OF_PROJECT[name], { [this.project]: this.prefs[name] }] : [name, this.prefs[name]]));
    return { ...Object.fromEntries(entries), keys: this.keyPatch() };
  }

  // One after another, so that the last word is the last to arrive; the page that goes away waits for nothing.
  async send(leaving = false) {
    clearTimeout(this.timer);
    if (this.sending && !leaving) {
      this.timer = setTimeout(() => this.send(), PAUSE_MS);
      return;
    }
    const [patch, names, keys] = [this.patch(), [...this.changed], { ...this.keymap.own }];
    Object.assign(this, { timer: 0, changed: new Set(), sending: true });
    try {
      await call(this.url, { prefs: patch }, leaving);
      this.keys = keys;
    } catch (error) {
      for (const name of names) this.changed.add(name);
      this.failed(error);
    } finally {
      this.sending = false;
    }
  }
}
