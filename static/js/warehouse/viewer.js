// Looking at images: zoom and pan by the viewBox, arrow keys to neighbors, the next image fetched ahead.

const STEP = 1.25;
const CLOSEST = 40;

class Viewer {
  constructor(frame) {
    this.svg = frame.querySelector("svg");
    const { x, y, width, height } = this.svg.viewBox.baseVal;
    this.whole = { x, y, width, height };
    this.svg.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
    this.svg.addEventListener("pointerdown", (event) => this.grab(event));
  }

  get box() {
    return this.svg.viewBox.baseVal;
  }

  at(event) {
    return new DOMPoint(event.clientX, event.clientY).matrixTransform(this.svg.getScreenCTM().inverse());
  }

  wheel(event) {
    if (!event.ctrlKey && !event.metaKey && this.box.width === this.whole.width && event.deltaY > 0) return;
    event.preventDefault();
    this.zoom(event.deltaY < 0 ? STEP : 1 / STEP, this.at(event));
  }

  zoom(factor, point = { x: this.box.x + this.box.width / 2, y: this.box.y + this.box.height / 2 }) {
    const width = Math.min(this.whole.width, Math.max(this.whole.width / CLOSEST, this.box.width / factor));
    const scale = width / this.box.width;
    this.move(point.x - (point.x - this.box.x) * scale, point.y - (point.y - this.box.y) * scale, width, this.box.height * scale);
  }

  move(x, y, width = this.box.width, height = this.box.height) {
    const { width: w, height: h } = this.whole;
    this.svg.setAttribute("viewBox", [Math.min(Math.max(0, x), w - width), Math.min(Math.max(0, y), h - height), width, height].join(" "));
  }

  fit() {
    this.move(0, 0, this.whole.width, this.whole.height);
  }

  grab(event) {
    if (event.button || this.box.width === this.whole.width) return;
    event.preventDefault();
    let last = this.at(event);
    const moved = (next) => {
      const point = this.at(next);
      this.move(this.box.x + last.x - point.x, this.box.y + last.y - point.y);
      last = this.at(next);
    };
    const done = () => {
      this.svg.classList.remove("is-dragging");
      this.svg.removeEventListener("pointermove", moved);
    };
    this.svg.setPointerCapture(event.pointerId);
    this.svg.classList.add("is-dragging");
    this.svg.addEventListener("pointermove", moved);
    this.svg.addEventListener("lostpointercapture", done, { once: true });
  }
}

let viewer = null;

function mount(root) {
  const frame = root.querySelector?.("[data-viewer]:not([data-mounted])");
  if (frame?.querySelector("svg")) {
    frame.dataset.mounted = ""; // htmx:load comes once more for the whole page
    viewer = new Viewer(frame);
  }
  const ahead = root.querySelector?.("[data-prefetch]")?.dataset.prefetch;
  if (ahead) new Image().src = ahead;
}

function step(way) {
  const entries = [...document.querySelectorAll("[data-entry]")];
  const here = entries.findIndex((entry) => entry.closest("tr").classList.contains("is-selected"));
  entries[here + way]?.click();
}

function select(entry) {
  for (const row of document.querySelectorAll("#entries tr.is-selected")) row.classList.remove("is-selected");
  entry.closest("tr").classList.add("is-selected");
  entry.closest("tr").scrollIntoView({ block: "nearest" });
}

const KEYS = {
  "+": () => viewer?.zoom(STEP),
  "=": () => viewer?.zoom(STEP),
  "-": () => viewer?.zoom(1 / STEP),
  0: () => viewer?.fit(),
  ArrowUp: () => step(-1),
  ArrowDown: () => step(1),
};

function typed(event) {
  if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target.closest("input, select, textarea, dialog[open]") || document.querySelector("dialog[open]")) return;
  const link = [...document.querySelectorAll("a[data-key]")].find((each) => each.dataset.key === event.key);
  const isListed = ["ArrowUp", "ArrowDown"].includes(event.key) && !document.querySelector("[data-entry]");
  const action = link ? () => link.click() : isListed ? null : KEYS[event.key];
  if (!action) return;
  event.preventDefault();
  action();
}

document.addEventListener("keydown", typed);
document.addEventListener("click", (event) => {
  const entry = event.target.closest?.("[data-entry]");
  if (entry) select(entry);
});
document.addEventListener("htmx:load", (event) => mount(event.detail.elt));
mount(document);
