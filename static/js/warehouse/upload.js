// The upload page: one request a file, four at a time, what failed listed with its reason.

import { mountDrops } from "../filedrop.js";
import { cookie } from "../session.js";

const AT_ONCE = 4;

// As it is now: logging in again, in another tab, changes it.
const token = () => cookie("csrftoken");

/** Sends one file; resolves to null when it is in, else to the reason why not. */
async function send(url, { file, name }) {
  const body = new FormData();
  body.append("name", name);
  body.append("file", file);
  try {
    const answer = await fetch(url, { method: "POST", body, headers: { "X-CSRFToken": token(), Accept: "application/json" } });
    if (answer.ok && !answer.redirected) return null;
    const said = answer.headers.get("content-type")?.includes("json") ? await answer.json() : {};
    if (answer.status === 413) return said.reason ?? "The file is larger than this server accepts.";
    return said.reason ?? (answer.redirected ? "Your session has ended: log in again, then try again." : `The server answered ${answer.status}.`);
  } catch {
    return "The connection broke before the file was in.";
  }
}

class Upload {
  constructor(root) {
    this.root = root;
    this.status = root.querySelector("[data-status]");
    this.failures = root.querySelector("[data-failures]");
    this.waiting = [];
    this.failed = [];
    this.sent = 0;
    this.total = 0;
    this.running = 0;
    this.began = 0;
    root.addEventListener("change", (event) => this.add(event.target));
    root.querySelector("[data-stop]").addEventListener("click", () => this.stop());
    root.querySelector("[data-retry]").addEventListener("click", () => this.retry());
    // Files that were chosen before this module was there.
    for (const input of root.querySelectorAll("input[type=file]")) this.add(input);
    window.addEventListener("beforeunload", (event) => { if (this.running) event.preventDefault(); });
  }

  add(input) {
    const files = [...(input.files ?? [])].map((file) => ({ file, name: file.webkitRelativePath || file.name }));
    input.value = "";
    this.queue(files);
  }

  retry() {
    const again = this.failed.splice(0);
    this.failures.querySelector("tbody").replaceChildren();
    this.total -= again.length;
    this.sent -= again.length;
    this.queue(again);
  }

  async queue(files) {
    if (!files.length) return;
    if (!this.running) this.began = performance.now() - 1;
    this.waiting.push(...files);
    this.total += files.length;
    this.status.hidden = false;
    this.show();
    try {
      this.url = await (this.opening ??= this.open());
    } catch {
      this.opening = null;
      this.fail(this.waiting.splice(0), "The server could not be reached.");
      return;
    }
    while (this.running < AT_ONCE && this.waiting.length) this.work();
  }

  async open() {
    const answer = await fetch(this.root.dataset.begin, { method: "POST", headers: { "X-CSRFToken": token() } });
    if (!answer.ok) throw new Error(`The server answered ${answer.status}.`);
    return (await answer.json()).files;
  }

  async work() {
    this.running += 1;
    while (this.waiting.length) {
      const next = this.waiting.shift();
      const reason = await send(this.url, next);
      if (reason) this.fail([next], reason);
      else this.sent += 1;
      this.show();
    }
    this.running -= 1;
    this.show();
  }

  stop() {
    this.total -= this.waiting.splice(0).length;
    this.show();
  }

  fail(items, reason) {
    for (const item of items) {
      this.failed.push(item);
      this.sent += 1;
      const row = this.failures.querySelector("tbody").insertRow();
      row.insertCell().textContent = item.name;
      row.insertCell().textContent = reason;
    }
    this.show();
  }

  show() {
    const good = this.sent - this.failed.length;
    const done = this.sent >= this.total;
    const left = ((performance.now() - this.began) / Math.max(1, this.sent)) * (this.total - this.sent);
    this.root.querySelector("[data-count]").textContent = `${good} of ${this.total} images are in`;
    this.root.querySelector("[data-left]").textContent = done ? "Finished." : `About ${Math.ceil(left / 1000)} s left. Keep this page open.`;
    const bar = this.root.querySelector("[data-bar]");
    bar.max = Math.max(1, this.total);
    bar.value = this.sent;
    this.root.querySelector("[data-stop]").hidden = done;
    this.failures.hidden = !this.failed.length;
    this.failures.querySelector("[data-failed]").textContent = `${this.failed.length} file${this.failed.length === 1 ? "" : "s"} did not come in`;
    this.root.dataset.state = done ? "done" : "sending";
  }
}

const root = document.getElementById("upload");
mountDrops(document);
if (root) new Upload(root);
