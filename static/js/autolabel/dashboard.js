// The dashboard's dialogs: the threshold shown beside its slider and followed by the check, forms sent once.

function follow(event) {
  const slider = event.target.closest("input[type=range][data-shown]");
  if (!slider) return;
  document.getElementById(slider.dataset.shown).textContent = `${slider.value} %`;
  for (const input of document.querySelectorAll(`[data-follows="${slider.id}"]`)) input.value = slider.value;
}

// The server takes each form's key once; this only keeps the second click from waiting for it.
function once(event) {
  const form = event.target.closest("form[data-once]");
  if (!form) return;
  for (const button of form.querySelectorAll("button:not([type=button])")) button.setAttribute("aria-disabled", "true");
}

document.addEventListener("input", follow);
document.addEventListener("submit", once);
