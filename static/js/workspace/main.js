// Joins the parts of the labeling page.

import { canvasActions } from "../editor/actions.js";
import { Editor } from "../editor/editor.js";
import { Journal } from "../editor/journal.js";
import { Keymap, listenKeys } from "../editor/keys.js";
import { Minimap } from "../editor/minimap.js";
import { Panel } from "../editor/panel.js";
import { call, speakFor } from "./api.js";
import { Clock } from "./clock.js";
import { Sheet, ask, logInAgain, open } from "./dialogs.js";
import { Comments, Queue } from "./drawer.js";
import { Flow } from "./flow.js";
import { Page } from "./page.js";
import { Settings } from "./settings.js";
import { Sync } from "./sync.js";

const DEFAULTS = {
  crosshair: true, crossColor: "#ffffff", crossWidth: 1, crossOpacity: 90, tagSize: 12, fill: 8, boxOpacity: 100, slider: 0, ghosts: false, keepView: false, zoomBoxes: false,
  pixelated: false, brightness: 100, contrast: 100, saturation: 100, invert: false,
};
const LOOKS = ["brightness", "contrast", "saturation", "invert"];

const data = JSON.parse(document.getElementById("workspace-data").textContent);
const closing = new AbortController();
const { signal } = closing;
const page = new Page(document);
const stage = document.getElementById("stage");
const { keys = {}, sliders = {}, classSliders = {}, ...looks } = data.prefs;
speakFor(data.user.id);
const prefs = { ...DEFAULTS, ...looks, slider: sliders[data.project] ?? data.slider, classSliders: classSliders[data.project] ?? {} };

const editor = new Editor({ stage, classes: data.classes, prefs, say: (text, visible) => page.say(text, visible), signal });
const clock = new Clock(signal);
const sync = new Sync({ journal: new Journal(data.user.id), told: (state, detail) => page.status(state, detail), signal });
const flow = new Flow({ editor, sync, clock, data, page, signal });
const queue = new Queue(document.getElementById("queue"), flow);
const comments = new Comments(document.getElementById("comments"), flow);
Object.assign(page, { queue, comments });
page.minimap = new Minimap(editor, document.getElementById("minimap"));

function focusFilter() {
  document.querySelector("[data-filter]").focus();
}

// Under an open dialog another task may come to the front: what is answered is about the one it was opened for.
const withText = (dialog, verb, field) => async () => {
  const { task } = flow;
  const text = task && await ask(dialog);
  if (text !== null) await flow.pass(task, verb, { [field]: text });
};

async function rejectTask() {
  const { task } = flow;
  const reason = task && await ask("reject");
  if (reason && flow.task === task) await flow.submit({ verb: "reject", extra: { comment: reason }, settle: false });
}

const work = {
  submit: [data.review ? "Accept and next" : "Submit and next", "Work", ["Enter"], () => { flow.submit({ verb: data.review ? "accept" : "submit" }); }, "once"],
  "undo-submit": ["Take the last submit back", "Work", ["Z"], () => { flow.reopen(); }, "once"],
  skip: ["Skip with a reason", "Work", ["S"], () => { withText("skip", "skip", "reason")(); }, "once"],
  problem: ["Report a problem", "Work", ["P"], () => { withText("problem", "problem", "text")(); }, "once"],
  queue: ["Queue", "Work", ["Q"], () => { queue.toggle(); }, "once"],
  comments: ["Comments", "Work", ["C"], () => { comments.toggle(); }, "once"],
  instructions: ["Instructions and classes", "Work", ["W"], () => { open("instructions"); }, "once"],
  filter: ["Find a class", "Classes", ["/", "F"], focusFilter, "once"],
  keys: ["Keys", "Work", ["?"], () => { sheet.open(); }, "once"],
  "reset-looks": ["Reset how the image looks", "View", ["Shift+I"], () => LOOKS.forEach((name) => editor.setPref(name, DEFAULTS[name]))],
};
if (data.review) work["reject-task"] = ["Reject the task", "Work", ["Shift+Enter"], () => { rejectTask(); }, "once"];
else work.nothing = ["No objects on this image", "Work", ["O"], () => { flow.submit({ nothing: true }); }, "once"];

const actions = canvasActions(data.classes);
for (const [name, [label, group, defaults, run, kind = "press"]] of Object.entries(work)) actions[name] = { label, group, keys: defaults, run, kind };
const keymap = new Keymap(actions, keys);
const panel = new Panel(editor, document.getElementById("panel"), keymap);
const sheet = new Sheet(keymap, () => {
  label();
  panel.labelKeys();
  settings.later();
});
const settings = new Settings({
  url: data.urls.prefs, project: data.project, prefs, keymap, signal,
  failed: (error) => page.hint(`Your settings were not remembered: ${error.message || "log in first"}`),
});

// Every control that does what a key does says so.
function label() {
  for (const button of document.querySelectorAll("[data-action]")) {
    const key = keymap.keysOf(button.dataset.action).join(" or ");
    const text = actions[button.dataset.action].label;
    button.title = key ? `${text} (${key})` : text;
    if (!button.textContent.trim()) button.setAttribute("aria-label", text);
  }
}

// A click by mouse leaves the keys with the canvas.
function press(event, button) {
  if (event.detail) stage.focus();
  actions[button.dataset.action].run(editor, true);
}

// F6 goes from the image to the panel and back.
function changeRegion(event) {
  if (event.key !== "F6") return;
  event.preventDefault();
  (document.activeElement === stage ? document.querySelector(".box-list") : stage).focus();
}

async function loggedInElsewhere() {
  const dialog = document.getElementById("dialog-login");
  if (dialog.open && await call(data.urls.who).catch(() => null)) dialog.close("elsewhere");
}

async function logIn() {
  if (document.getElementById("dialog-login").open) return;
  if (!(await logInAgain(data.urls.login, data.user.email))) return;
  sync.failures = 0;
  const again = await flow.tell(data.urls.who);
  if (!again) return;
  if (again.user !== data.user.id) return location.reload();
  await sync.replay();
  return flow.wake();
}

page.onLogin = logIn;
for (const button of document.querySelectorAll("[data-action]")) button.addEventListener("click", (event) => press(event, button), { signal });
addEventListener("keydown", changeRegion, { signal });
addEventListener("focus", loggedInElsewhere, { signal });
for (const id of ["rest-again", "cut-again"]) document.getElementById(id).addEventListener("click", () => flow.wake());
document.getElementById("broken-again").addEventListener("click", () => flow.task && flow.open(flow.task));
document.getElementById("state").addEventListener("click", () => (page.find("#state").dataset.state === "login" ? logIn() : sync.replay()));
editor.on((news) => {
  if (news.pref) settings.note(news.pref);
  if (!("tool" in news) && !news.pref) return;
  for (const button of document.querySelectorAll("[data-tool-button]")) button.setAttribute("aria-pressed", button.dataset.toolButton === editor.tool);
  for (const button of document.querySelectorAll("[data-toggle]")) button.setAttribute("aria-pressed", Boolean(editor.prefs[button.dataset.toggle]));
});
setInterval(() => page.showClock(clock), 1000);
// The first Tab goes to a box, not to the link that leaves this page.
if (document.activeElement === document.body) stage.focus({ preventScroll: true });
addEventListener("visibilitychange", () => (document.hidden ? sync.replay() : flow.wake()), { signal });
addEventListener("online", () => flow.wake(), { signal });
addEventListener("beforeunload", (event) => { if (sync.failures && sync.waiting.length) event.preventDefault(); });
stage.editor = editor;
stage.flow = flow;
stage.settings = settings;
label();
listenKeys(editor, keymap, signal);
editor.setTool("select");
flow.start();
