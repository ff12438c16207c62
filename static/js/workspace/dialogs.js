// The dialogs of the page: each is markup in the page; here they are filled, opened and answered.

import { combo } from "../editor/keys.js";
import { fromNorm } from "../editor/geometry.js";
import { place, put, svg } from "../editor/view.js";
import { logIn } from "./api.js";

const get = (name) => document.getElementById(`dialog-${name}`);

// Opens a dialog and waits for the value of the button that closed it; "" when it was escaped.
export function open(name) {
  const dialog = get(name);
  dialog.returnValue = "";
  if (!dialog.open) dialog.showModal();
  return new Promise((resolve) => dialog.addEventListener("close", () => resolve(dialog.returnValue), { once: true }));
}

// The page has one dialog of a kind: who comes second is shown when the first one is answered.
const turns = new Map();

function inTurn(name, fill) {
  const turn = (turns.get(name) || Promise.resolve()).then(() => {
    fill(get(name));
    return open(name);
  });
  turns.set(name, turn);
  return turn;
}

export const choose = ({ title, text, options }) => inTurn("choose", (dialog) => {
  dialog.querySelector("h2").textContent = title;
  dialog.querySelector("p").textContent = text;
  dialog.querySelector(".buttons").replaceChildren(...options.map(([value, label], n) => {
    const button = document.createElement("button");
    Object.assign(button, { value, textContent: label, autofocus: n === 0, className: n ? "button" : "button primary" });
    return button;
  }));
});

// A dialog with one text: resolves to the text, or to null when it was escaped.
export async function ask(name) {
  const dialog = get(name);
  const form = dialog.querySelector("form");
  form.reset();
  if (await open(name) !== "send") return null;
  const data = new FormData(form);
  return [data.get("choice"), data.get("text")].filter(Boolean).join(": ");
}

function picture(figure, labels, task, classes) {
  const size = { w: task.width, h: task.height };
  figure.querySelector("img").src = task.thumbnail;
  const drawing = figure.querySelector("svg");
  put(drawing, { viewBox: `0 0 ${size.w} ${size.h}` });
  drawing.replaceChildren(...labels.map((label) => {
    const rect = svg("rect", { class: `line ${classes.get(label.category)?.paint || "c0"}` });
    place(rect, fromNorm(label.bbox, size));
    return rect;
  }));
  figure.querySelector("figcaption span").textContent = `${labels.length} ${labels.length === 1 ? "box" : "boxes"}`;
}

export const conflict = ({ message, name, mine, theirs, task, classes, open: stillOpen }) => inTurn("conflict", (dialog) => {
  dialog.querySelector("[data-name]").textContent = name;
  dialog.querySelector("[data-message]").textContent = message;
  picture(dialog.querySelector(".mine"), mine, task, classes);
  picture(dialog.querySelector(".theirs"), theirs || [], task, classes);
  dialog.querySelector(".theirs").hidden = !theirs;
  dialog.querySelector("[value=mine]").hidden = !stillOpen;
  dialog.querySelector("[value=theirs]").textContent = stillOpen ? "Take the newer one" : "Put mine aside and go on";
});

// Stays until somebody is logged in again; a second step (one-time code) needs the login page itself.
export async function logInAgain(url, email) {
  const dialog = get("login");
  const [form, note] = [dialog.querySelector("form"), dialog.querySelector("[role=alert]")];
  form.elements.email.value = email;
  form.elements.password.value = "";
  note.textContent = "";
  if (!dialog.open) dialog.showModal();
  form.elements.password.focus();
  return new Promise((resolve) => {
    form.onsubmit = async (event) => {
      event.preventDefault();
      try {
        const answer = await logIn(url, form.elements.email.value, form.elements.password.value);
        note.textContent = answer.ok ? "" : answer.errors.join(" ") || "That did not work.";
        if (answer.ok) dialog.close("done");
      } catch (error) {
        note.textContent = `No connection: ${error.message}`;
      }
    };
    dialog.onclose = () => resolve(dialog.returnValue === "done" || dialog.returnValue === "elsewhere");
  });
}

// The sheet of keys: searchable, and each key can be changed; a key that is taken is told before it is taken away.
export class Sheet {
  constructor(keymap, changed) {
    Object.assign(this, { keymap, changed, dialog: get("keys") });
    this.body = this.dialog.querySelector("tbody");
    this.note = this.dialog.querySelector("[role=status]");
    this.search = this.dialog.querySelector("input");
    this.search.addEventListener("input", () => this.draw());
    this.dialog.querySelector("[data-reset]").addEventListener("click", () => {
      keymap.reset();
      this.changed();
      this.say("All keys are the defaults again");
      this.draw();
    });
  }

  open() {
    this.search.value = "";
    this.say("");
    this.draw();
    return open("keys");
  }

  say(text) {
    this.note.textContent = text;
  }

  draw() {
    const words = this.search.value.trim().toLowerCase();
    let group = "";
    const rows = Object.entries(this.keymap.actions).sort((a, b) => a[1].group.localeCompare(b[1].group)).filter(([name, action]) =>
      `${action.label} ${action.group} ${this.keymap.keysOf(name).join(" ")}`.toLowerCase().includes(words)).map(([name, action]) => {
      const row = document.getElementById("key-row").content.firstElementChild.cloneNode(true);
      row.querySelector(".group").textContent = action.group === group ? "" : action.group;
      group = action.group;
      row.querySelector(".label").textContent = action.label;
      const button = row.querySelector("button");
      button.textContent = this.keymap.keysOf(name).join(" or ") || "none";
      button.setAttribute("aria-label", `${action.label}: ${button.textContent}. Change key`);
      button.addEventListener("click", () => this.listen(name, button));
      return row;
    });
    this.body.replaceChildren(...rows);
  }

  listen(name, button) {
    button.textContent = "Press a key";
    const waiting = new AbortController();
    const stop = () => {
      waiting.abort();
      this.draw();
    };
    button.addEventListener("blur", stop, { signal: waiting.signal });
    button.addEventListener("keydown", async (event) => {
      const key = combo(event);
      if (!key) return;
      event.preventDefault();
      event.stopPropagation();
      waiting.abort();
      const holder = this.keymap.holder(name, key);
      if (key !== "Escape" && (!holder || await this.mayTake(key, holder))) {
        this.keymap.assign(name, key);
        this.changed();
        this.say(`${this.keymap.actions[name].label}: ${key}`);
      }
      this.draw();
      this.dialog.focus();
    }, { signal: waiting.signal });
  }

  async mayTake(key, holder) {
    const { label, group } = this.keymap.actions[holder];
    return await choose({
      title: `${key} is taken`, text: `${key} already means “${label}” (${group}), which would be left without it.`,
      options: [["take", "Take it"], ["", "Keep it there"]],
    }) === "take";
  }
}
