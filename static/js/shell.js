// The page around the content: theme switch, sidebar, menus, dismissable notices, the page-wide keys.

const THEMES = ["auto", "light", "dark"];
const NAMES = { auto: "system", light: "light", dark: "dark" };

export function themeAfter(theme) {
  return THEMES[(THEMES.indexOf(theme) + 1) % THEMES.length];
}

export function isTyping(target) {
  return target instanceof Element && target.closest("input, textarea, select, [contenteditable]") !== null;
}

function showTheme(form, theme) {
  document.documentElement.dataset.theme = theme;
  const button = form.querySelector("button[name=theme]");
  button.value = themeAfter(theme);
  button.title = `Theme: ${NAMES[theme]}`;
  form.querySelector("[data-theme-name]").textContent = NAMES[theme];
}

async function switchTheme(event) {
  const form = event.target.closest("[data-theme-switch]");
  if (!form) return;
  event.preventDefault();
  const before = document.documentElement.dataset.theme;
  const body = new FormData(form, event.submitter);
  showTheme(form, body.get("theme"));
  try {
    const answer = await fetch(form.action, { method: "POST", body, headers: { "HX-Request": "true" } });
    if (!answer.ok) showTheme(form, before);
  } catch {
    showTheme(form, before);
  }
}

function toggleSidebar() {
  const root = document.documentElement;
  const collapsed = root.dataset.sidebar !== "collapsed";
  if (collapsed) root.dataset.sidebar = "collapsed";
  else delete root.dataset.sidebar;
  document.cookie = `sidebar=${collapsed ? "collapsed" : "open"}; path=/; max-age=31536000; samesite=lax`;
}

function closeMenus(except) {
  for (const menu of document.querySelectorAll("details.menu[open]")) {
    if (menu !== except) menu.open = false;
  }
}

// A menu inside a scrolling table would be cut off: it floats over the page, and closes when that scrolls.
function floatMenu(menu) {
  const items = menu.querySelector(".menu-items");
  const box = menu.querySelector("summary").getBoundingClientRect();
  items.classList.add("is-floating");
  const below = box.bottom + 4 + items.offsetHeight < window.innerHeight;
  items.style.top = `${below ? box.bottom + 4 : box.top - 4 - items.offsetHeight}px`;
  items.style.bottom = "auto";
  items.style.right = "auto";
  items.style.left = `${Math.max(8, box.right - items.offsetWidth)}px`;
}

function onToggle(event) {
  if (event.target.matches?.(".table-wrap details.menu[open]")) floatMenu(event.target);
}

function onScroll(event) {
  if (event.target.querySelector?.("details.menu[open] > .is-floating")) closeMenus();
}

function onClick(event) {
  closeMenus(event.target.closest("details.menu"));
  if (event.target.closest("[data-collapse]")) toggleSidebar();
  event.target.closest("[data-dismiss]")?.closest(".notice, .toast")?.remove();
}

function onKey(event) {
  if (event.key === "Escape") {
    const open = document.querySelector("details.menu[open]");
    if (!open) return;
    open.open = false;
    open.querySelector("summary").focus();
    return;
  }
  if (isTyping(event.target) || event.ctrlKey || event.metaKey || event.altKey) return;
  if (document.querySelector("dialog[open]")) return;
  if (event.key === "?") document.getElementById("shortcuts")?.showModal();
  if (event.key === "/") {
    const search = document.querySelector("input[type=search]");
    if (search) {
      event.preventDefault();
      search.focus();
    }
  }
}

export function toast(text) {
  const line = document.createElement("div");
  line.className = "toast";
  line.textContent = text;
  document.getElementById("toasts").append(line);
  setTimeout(() => line.remove(), 6000);
}

// <select data-submit> sends its form when another option is chosen.
function onChange(event) {
  if (event.target.matches("[data-submit]")) event.target.form.requestSubmit();
}

function onFocus(event) {
  if (event.target.matches("[data-select]")) event.target.select();
}

// What scrolls must be reachable by the keyboard, what does not should not stop the tab key.
function makeScrollersFocusable() {
  for (const wrap of document.querySelectorAll(".table-wrap")) {
    const scrolls = wrap.scrollWidth > wrap.clientWidth || wrap.scrollHeight > wrap.clientHeight;
    if (scrolls) wrap.tabIndex = 0;
    else wrap.removeAttribute("tabindex");
  }
}

export function mountShell(root) {
  root.addEventListener("change", onChange);
  root.addEventListener("htmx:load", makeScrollersFocusable);
  window.addEventListener("resize", makeScrollersFocusable);
  makeScrollersFocusable();
  root.addEventListener("focusin", onFocus);
  root.addEventListener("submit", switchTheme);
  root.addEventListener("click", onClick);
  root.addEventListener("toggle", onToggle, true);
  root.addEventListener("scroll", onScroll, true);
  root.addEventListener("keydown", onKey);
  // A response may carry HX-Trigger: {"toast": {"text": "…"}}; never for errors, which stay in the page.
  root.addEventListener("toast", (event) => toast(event.detail.text ?? event.detail.value));
}
