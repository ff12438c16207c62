// What the page shows around the canvas: the task, the state of the work, hints, the clock.

// What is said, and what is said besides where there is room.
const STATES = {
  saved: ["Saved", ""], changed: ["Not saved", " yet"], saving: ["Saving", ""], login: ["Log in", " to save"], refused: ["Not saved", ""],
  offline: ["Offline", ": kept in this browser"],
};
const HINT_MS = 5000;
const LOADING_MS = 300;

export class Page {
  constructor(root) {
    this.find = (selector) => root.querySelector(selector);
    this.live = this.find("#live");
    this.hintBox = this.find("#hint");
  }

  say(text, visible = false) {
    this.live.textContent = text;
    if (!visible) return;
    this.hintBox.textContent = text;
    this.hintBox.classList.add("shown");
    clearTimeout(this.hintTimer);
    this.hintTimer = setTimeout(() => this.hintBox.classList.remove("shown"), HINT_MS);
  }

  hint(text) {
    this.say(text, true);
  }

  status(state, detail = "") {
    const element = this.find("#state");
    const kept = state === "offline" && detail > 1 ? ` (${detail} tasks)` : "";
    element.dataset.state = state;
    const [word, more] = STATES[state];
    element.firstElementChild.textContent = word;
    element.lastElementChild.textContent = more + kept;
    element.title = word + more + kept;
    if (state === "refused" && detail) this.hint(detail);
    if (state === "login") this.onLogin?.();
  }

  offline(waiting, quiet) {
    this.status("offline", waiting);
    if (!quiet) this.hint("No connection: try that again when the server answers");
  }

  // The server answered, and nothing waits for it.
  reached() {
    const { state } = this.find("#state").dataset;
    if (state === "offline" || state === "login") this.status("saved");
  }

  loading(task) {
    clearTimeout(this.loadTimer);
    this.find("#task-name").textContent = task.name;
    this.find("#stage").dataset.task = "";
    this.loadTimer = setTimeout(() => this.find("#stage").classList.add("loading"), LOADING_MS);
  }

  // cut: there may be more tasks, but the server cannot be asked.
  showTask(task, { problem = "", cut = false } = {}) {
    clearTimeout(this.loadTimer);
    const stage = this.find("#stage");
    stage.classList.remove("loading");
    stage.classList.toggle("idle", !task);
    stage.dataset.task = task ? task.id : "";
    this.find("#rest").hidden = Boolean(task) || cut;
    this.find("#cut").hidden = Boolean(task) || !cut;
    this.find("#broken").hidden = !problem;
    this.find("#broken p").textContent = problem;
    this.find("#task-name").textContent = task ? task.name : "";
    this.find("#task-name").title = task ? task.name : "";
    this.find("#note").hidden = !task?.note;
    this.find("#note").textContent = task?.note ? `Sent back: ${task.note}` : "";
    for (const button of document.querySelectorAll("[data-needs-task]")) button.disabled = !task;
    if (task !== this.shown) this.comments.follow();
    this.shown = task;
    if (!task) return;
    this.countComments(task);
    this.minimap.show(task.thumbnail, { w: task.width, h: task.height });
    this.say(`${task.name}, ${task.labels.length} boxes`);
  }

  showClock({ text, idle }) {
    const element = this.find("#clock");
    element.textContent = text;
    element.parentElement.classList.toggle("paused", idle);
    element.parentElement.title = idle ? "Paused: a minute without a sign of work counts nothing" : "Active time on this image";
  }

  countComments(task) {
    this.find("#comment-count").textContent = task.comments || "";
  }

  drawQueue(flow) {
    this.find("#queue-count").textContent = flow.tasks.length;
    if (this.queue?.isOpen) this.queue.list();
  }
}
