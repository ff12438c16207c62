// The drawers at the side: the queue with thumbnails, and the comments on a task or one of its boxes.

const clone = (id) => document.getElementById(id).content.firstElementChild.cloneNode(true);

export class Drawer {
  constructor(element) {
    this.element = element;
    this.body = element.querySelector(".drawer-body");
    element.querySelector("[data-close]").addEventListener("click", () => this.close());
    addEventListener("keydown", (event) => this.escape(event));
  }

  escape(event) {
    if (event.key !== "Escape" || !this.isOpen || document.querySelector("dialog[open]")) return;
    event.preventDefault();
    this.close();
  }

  get isOpen() {
    return !this.element.hidden;
  }

  toggle() {
    if (this.isOpen) return this.close();
    for (const other of document.querySelectorAll(".drawer")) other.hidden = true;
    this.before = document.activeElement;
    this.element.hidden = false;
    this.element.querySelector("[data-close]").focus();
    return this.draw?.();
  }

  close() {
    this.element.hidden = true;
    this.before?.focus();
  }
}

export class Queue extends Drawer {
  constructor(element, flow) {
    super(element);
    this.flow = flow;
    this.recent = [];
    element.querySelector("[data-release]").addEventListener("click", () => flow.release());
  }

  async draw() {
    this.recent = [];
    this.list();
    const answer = await this.flow.tell(this.flow.data.urls.recent);
    if (!answer) return;
    this.recent = answer.tasks;
    this.list();
  }

  list() {
    const { flow } = this;
    const waiting = flow.tasks.map((task) => this.item(task, task === flow.task ? "open now" : task.state === "in_progress" ? "begun" : "", () => this.open(task)));
    const done = this.recent.map((task) => this.item(task, "submitted", () => flow.reopen(task)));
    this.body.querySelector(".waiting").replaceChildren(...waiting);
    this.body.querySelector(".recent").replaceChildren(...done);
    this.body.querySelector(".no-recent").hidden = done.length > 0;
    this.body.querySelector(".no-waiting").hidden = waiting.length > 0;
  }

  // As it is by now: the row may be older than the task.
  open({ id }) {
    const task = this.flow.tasks.find((one) => one.id === id);
    if (task) this.flow.open(task);
  }

  item(task, note, go) {
    const item = clone("queue-row");
    item.querySelector("img").src = task.thumbnail;
    item.querySelector(".name").textContent = task.name;
    item.querySelector(".note").textContent = note;
    const button = item.querySelector("button");
    if (note === "open now") button.setAttribute("aria-current", "true");
    button.addEventListener("click", () => {
      this.close();
      go();
    });
    return item;
  }
}

export class Comments extends Drawer {
  constructor(element, flow) {
    super(element);
    this.flow = flow;
    this.form = element.querySelector("form");
    this.turn = 0;
    this.shown = 0;
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.send();
    });
  }

  async draw() {
    const { task } = this.flow;
    const [box] = this.flow.editor.store.selected();
    this.form.elements.about.disabled = !box;
    this.form.elements.about.checked = Boolean(box);
    if (task) await this.ask(task);
  }

  // A list that was asked for before the one that is shown is out of date, whenever it comes.
  async ask(task, data) {
    const turn = ++this.turn;
    const answer = await this.flow.tell(`${task.url}comments/`, data);
    if (!answer || turn < this.shown) return Boolean(answer);
    this.shown = turn;
    this.show(task, answer.comments);
    return true;
  }

  // Another image is open.
  follow() {
    if (!this.isOpen) return;
    this.form.reset();
    this.body.querySelector("ol").replaceChildren();
    this.draw();
  }

  show(task, comments) {
    task.comments = comments.length;
    if (task !== this.flow.task) return;
    this.flow.page.countComments(task);
    this.body.querySelector(".no-comments").hidden = comments.length > 0;
    this.body.querySelector("ol").replaceChildren(...comments.map((comment) => {
      const item = clone("comment-row");
      item.querySelector(".who").textContent = comment.author;
      item.querySelector("time").textContent = comment.at;
      item.querySelector(".text").textContent = comment.text;
      const about = item.querySelector("[data-about]");
      const box = this.flow.editor.store.get(comment.label_id);
      about.hidden = !comment.label_id;
      about.disabled = !box;
      about.textContent = box ? `Box: ${this.flow.editor.classOf(box).name}` : "A box that is gone";
      about.addEventListener("click", () => this.flow.editor.goTo(box));
      const resolve = item.querySelector("[data-resolve]");
      resolve.hidden = comment.resolved;
      item.classList.toggle("resolved", comment.resolved);
      resolve.addEventListener("click", () => this.post({ resolve: comment.id }));
      return item;
    }));
  }

  async send() {
    if (this.sending) return;
    const { task } = this.flow;
    const { text, about } = this.form.elements;
    const [box] = this.flow.editor.store.selected();
    const said = text.value;
    this.sending = true;
    const sent = await this.post({ text: said, label_id: about.checked && box ? box.id : "" }).finally(() => { this.sending = false; });
    if (sent && task === this.flow.task && text.value === said) this.form.reset();
  }

  async post(data) {
    const { task } = this.flow;
    return Boolean(task) && this.ask(task, data);
  }
}
