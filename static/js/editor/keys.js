// Turns key presses into actions; a person's own keys replace the defaults.

const NAMES = { " ": "Space", Spacebar: "Space", Esc: "Escape", Del: "Delete" };
const NATIVE = new Set(["Enter", "Space", "ArrowUp", "ArrowDown", "ArrowLeft", "ArrowRight", "Tab", "Home", "Shift+Tab"]);

// "Ctrl+Shift+Z"; letters and digits by their place where the layout gives something else (Cyrillic, Shift+1).
export function combo(event) {
  let key = NAMES[event.key] || event.key;
  if (["Control", "Shift", "Alt", "Meta"].includes(key)) return null;
  if (/^Digit\d$/.test(event.code)) key = event.code.slice(5);
  else if (/^Key[A-Z]$/.test(event.code) && !/^[a-z]$/i.test(key)) key = event.code.slice(3);
  else if (event.code === "BracketLeft" && key === "{") key = "[";
  else if (event.code === "BracketRight" && key === "}") key = "]";
  if (key.length === 1) key = key.toUpperCase();
  const shifted = event.shiftKey && (key.length > 1 || /[A-Z0-9[\]]/.test(key));
  return [event.ctrlKey || event.metaKey ? "Ctrl" : "", event.altKey ? "Alt" : "", shifted ? "Shift" : "", key].filter(Boolean).join("+");
}

export class Keymap {
  constructor(actions, own = {}) {
    this.actions = actions;
    this.own = own;
    this.index();
  }

  keysOf(name) {
    return this.own[name] || this.actions[name].keys;
  }

  index() {
    this.byKey = new Map();
    for (const name of Object.keys(this.actions)) for (const key of this.keysOf(name)) this.byKey.set(key, name);
  }

  find(key) {
    return this.byKey.get(key);
  }

  // The action that has this key already, if it is another one.
  holder(name, key) {
    const other = this.find(key);
    return other && other !== name ? other : null;
  }

  // Gives a key to an action alone; whoever held it loses it.
  assign(name, key) {
    const other = this.holder(name, key);
    if (other) this.own[other] = this.keysOf(other).filter((one) => one !== key);
    this.own[name] = [key];
    this.index();
  }

  reset() {
    this.own = {};
    this.index();
  }
}

const typing = (target) => target.matches?.("input:not([type=checkbox], [type=range], [type=radio]), textarea, select, [contenteditable]");
const control = (target) => target.matches?.("button, a, summary, input, [role=option], [role=listbox]");

export function listenKeys(editor, keymap, signal) {
  const held = new Map();
  const run = (name, down) => keymap.actions[name].run(editor, down);
  const ignored = (event, key) => document.querySelector("dialog[open]") || typing(event.target)
    || (NATIVE.has(key) && control(event.target)) || (key === "Tab" || key === "Shift+Tab" ? event.target !== editor.stage : false);

  const down = (event) => {
    const key = combo(event);
    if (!key || event.defaultPrevented || event.isComposing || ignored(event, key)) return;
    const name = keymap.find(key);
    if (event.code === "Space" && (key === "Space" || !name)) {
      event.preventDefault();
      if (!event.repeat) Object.assign(editor, { panKey: true, panned: false });
      return;
    }
    if (!name) return;
    const { kind } = keymap.actions[name];
    if (kind === "hold" && !event.repeat) held.set(event.code, name);
    if (kind === "hold" && event.repeat) return;
    if (kind === "once" && event.repeat) return;
    if (run(name, true) !== false) event.preventDefault();
  };

  const up = (event) => {
    const name = held.get(event.code);
    held.delete(event.code);
    if (name) run(name, false);
    if (event.code !== "Space" || !editor.panKey) return;
    editor.panKey = false;
    if (!editor.panned && combo(event) === "Space" && keymap.find("Space")) run(keymap.find("Space"), true);
  };

  addEventListener("keydown", down, { signal });
  addEventListener("keyup", up, { signal });
  addEventListener("blur", () => {
    editor.panKey = false;
    for (const name of held.values()) run(name, false);
    held.clear();
  }, { signal });
}
