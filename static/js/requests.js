// What happens around a request: the loading bar, errors that stay in the page until they are dismissed, and news that
// come by themselves and must take nothing out of anybody's hands.

const SAID = {
  0: "The server cannot be reached. Nothing was saved; what is on this page is kept. Try again in a moment.",
  403: "You may not do this. Nothing was changed.",
  404: "This no longer exists. Nothing was changed.",
  413: "That is larger than this server accepts. Nothing was saved.",
  429: "Too many requests in a short time. Nothing was changed; wait a minute and try again.",
};

export function sentenceFor(status) {
  return SAID[status] ?? `The server could not do this (error ${status}). What is on this page is kept; try again.`;
}

export function alert(text, retry) {
  const alerts = document.getElementById("alerts");
  const notice = document.createElement("div");
  notice.className = "notice danger";
  const words = document.createElement("span");
  words.className = "grow";
  words.textContent = text;
  notice.append(words);
  if (retry) notice.append(button("Try again", () => { notice.remove(); retry(); }));
  notice.append(button("Dismiss", () => notice.remove()));
  alerts?.replaceChildren(notice);
}

function button(text, action) {
  const made = document.createElement("button");
  made.type = "button";
  made.className = "button small";
  made.textContent = text;
  made.addEventListener("click", action);
  return made;
}

function retryOf(detail) {
  const { verb, path } = detail.requestConfig ?? {};
  if (verb !== "get") return undefined;
  return () => window.htmx.ajax("GET", path, { source: detail.elt, target: detail.target });
}

let waiting = 0;

function count(step) {
  waiting = Math.max(0, waiting + step);
  document.getElementById("loading-bar")?.classList.toggle("is-on", waiting > 0);
}

const late = new Set();

// What has a dialog or a menu open in it, or is asked about, is replaced as soon as that is done with.
function wait(event) {
  const { target, requestConfig, pathInfo } = event.detail;
  const { elt } = requestConfig; // the event's own elt is its target
  const asked = target.querySelector("[data-asked]") && document.getElementById("confirm");
  const open = target.querySelector("dialog[open], details[data-menu][open]") ?? asked;
  if (!open || requestConfig.verb !== "get" || open.contains(elt)) return;
  event.detail.shouldSwap = false;
  if (late.has(target)) return;
  late.add(target);
  open.addEventListener(open.matches("dialog") ? "close" : "toggle", () => {
    late.delete(target);
    if (target.isConnected && elt.isConnected) window.htmx.ajax("GET", pathInfo.requestPath, { source: elt, target });
  }, { once: true });
}

// News for a place that has been replaced meanwhile are no news: htmx would look for it in vain and report an error.
function dropLate(event) {
  event.detail.elt.addEventListener("htmx:beforeOnLoad", (answered) => {
    const { elt, target, requestConfig } = answered.detail;
    if (requestConfig.verb === "get" && !elt.isConnected && !target.isConnected) answered.preventDefault();
  }, { once: true });
}

const sign = (control) => [control.tagName, control.getAttribute("aria-label") ?? control.textContent, control.href ?? control.form?.action].join();

// htmx gives the focus back to what has an id; the other controls are known again by what they say and where they lead.
function holdFocus(event) {
  const { target } = event.detail;
  const held = document.activeElement;
  if (!event.detail.shouldSwap || held.id || held === target || !target.contains(held)) return;
  const [tag, mark] = [held.tagName, sign(held)];
  target.addEventListener("htmx:afterSwap", () => {
    if (document.activeElement !== document.body) return;
    [...target.querySelectorAll(tag)].find((control) => sign(control) === mark)?.focus({ preventScroll: true });
  }, { once: true });
}

const TYPED = "input[id]:not([type=checkbox], [type=radio]), textarea[id]";
const asSent = new WeakMap();

function noteTyped(event) {
  const { xhr, target } = event.detail;
  asSent.set(xhr, new Map([...target.querySelectorAll(TYPED)].map((field) => [field.id, field.value])));
}

// What was typed since a form was sent stays, and with news that come by themselves all that was typed.
function holdTyped(event) {
  const { target, shouldSwap, xhr, requestConfig } = event.detail;
  const held = document.activeElement;
  if (!shouldSwap || !target.contains(held) || !held.matches(TYPED)) return;
  if (held.value === (requestConfig.verb === "get" ? held.defaultValue : asSent.get(xhr)?.get(held.id) ?? held.value)) return;
  document.addEventListener("htmx:afterSwap", () => {
    const now = document.getElementById(held.id);
    if (now && now !== held) now.value = held.value;
  }, { once: true });
}

// A button that is pressed at this moment is not taken away: letting it go sends its form with all that is in it.
function holdPressed(event) {
  const { target, requestConfig: { elt } } = event.detail;
  const pressed = target.querySelector("button:active");
  if (pressed?.form && pressed.form === elt.closest("form") && elt.matches("[hx-trigger]")) event.detail.shouldSwap = false;
}

export function mountRequests(root) {
  root.addEventListener("htmx:beforeSwap", wait);
  root.addEventListener("htmx:beforeSwap", holdPressed);
  root.addEventListener("htmx:beforeSwap", holdFocus);
  root.addEventListener("htmx:beforeSwap", holdTyped);
  root.addEventListener("htmx:beforeSend", () => count(1));
  root.addEventListener("htmx:beforeSend", dropLate);
  root.addEventListener("htmx:beforeSend", noteTyped);
  root.addEventListener("htmx:afterRequest", () => count(-1));
  root.addEventListener("htmx:responseError", (event) => {
    const { status } = event.detail.xhr;
    if (status !== 401) alert(sentenceFor(status), retryOf(event.detail));
  });
  root.addEventListener("htmx:sendError", (event) => alert(sentenceFor(0), retryOf(event.detail)));
  root.addEventListener("htmx:timeout", (event) => alert(sentenceFor(0), retryOf(event.detail)));
}
