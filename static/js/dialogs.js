// Dialogs: data-dialog opens one, data-close closes it; data-confirm and hx-confirm ask; data-typed guards.

const SENT_MS = 2000;

export function ask(text, verb = "Continue", danger = false) {
  const dialog = document.getElementById("confirm");
  const ok = dialog.querySelector("[data-confirm-ok]");
  dialog.querySelector("[data-confirm-text]").textContent = text;
  ok.textContent = verb;
  ok.classList.toggle("danger", danger);
  dialog.returnValue = "";
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => resolve(dialog.returnValue === "ok"), { once: true });
  });
}

async function askFor(element, text) {
  element.dataset.asked = "";
  const answer = await ask(text, element.dataset.confirmVerb, "confirmDanger" in element.dataset);
  delete element.dataset.asked;
  return answer;
}

async function confirmRequest(event) {
  if (!event.detail.question) return;
  event.preventDefault();
  if (await askFor(event.detail.elt, event.detail.question)) event.detail.issueRequest(true);
}

async function confirmForm(event) {
  const form = event.target;
  const asker = event.submitter?.dataset.confirm ? event.submitter : form;
  if (!asker.dataset.confirm || form.dataset.confirmed) return;
  event.preventDefault();
  if (!(await askFor(asker, asker.dataset.confirm))) return;
  form.dataset.confirmed = "yes";
  form.requestSubmit(event.submitter);
  delete form.dataset.confirmed;
}

// A double click on a button sends its form once.
function sentTwice(event) {
  const form = event.target;
  if (event.defaultPrevented || form.method !== "post" || form.hasAttribute("hx-post")) return;
  if (event.timeStamp - Number(form.dataset.sentAt ?? -SENT_MS) < SENT_MS) event.preventDefault();
  else form.dataset.sentAt = event.timeStamp;
}

function onClick(event) {
  const opener = event.target.closest("[data-dialog]");
  if (opener) document.getElementById(opener.dataset.dialog)?.showModal();
  if (event.target.closest("[data-close]")) event.target.closest("dialog")?.close();
  // A click on the backdrop has the dialog itself as its target.
  if (event.target instanceof HTMLDialogElement && event.target.dataset.dismissable !== undefined) event.target.close();
}

function guardTyped(root) {
  for (const input of root.querySelectorAll("[data-typed]")) {
    const button = input.form.querySelector("button.primary");
    const check = () => {
      button.disabled = input.value !== input.dataset.typed;
      button.title = button.disabled ? `Type ${input.dataset.typed} first` : "";
    };
    input.addEventListener("input", check);
    check();
  }
}

// <dialog data-open> opens at once: a form that came back with errors.
function openMarked(root) {
  for (const dialog of root.querySelectorAll("dialog[data-open]:not([open])")) dialog.showModal();
}

export function mountDialogs(root) {
  root.addEventListener("click", onClick);
  root.addEventListener("submit", confirmForm);
  root.addEventListener("submit", sentTwice);
  root.addEventListener("htmx:confirm", confirmRequest);
  root.addEventListener("htmx:load", (event) => {
    guardTyped(event.detail.elt);
    openMarked(event.detail.elt);
  });
  guardTyped(root);
  openMarked(root);
}
