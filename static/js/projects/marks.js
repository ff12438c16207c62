// The task list's checkboxes: mark all on the page, mark a range with Shift, count what is marked.

function boxesOf(form) {
  return [...form.querySelectorAll('input[name="tasks"]')];
}

function count(form) {
  const boxes = boxesOf(form);
  const marked = boxes.filter((box) => box.checked).length;
  form.querySelector("[data-marked]").textContent = `${marked} marked`;
  const all = form.querySelector("[data-mark-all]");
  all.checked = marked === boxes.length && marked > 0;
  all.indeterminate = marked > 0 && marked < boxes.length;
  for (const box of boxes) box.closest("tr").classList.toggle("is-selected", box.checked);
}

function mark(form, target, shift) {
  const boxes = boxesOf(form);
  if (target.matches("[data-mark-all]")) {
    for (const box of boxes) box.checked = target.checked;
  } else if (shift && form.lastMarked !== undefined) {
    const [from, to] = [form.lastMarked, boxes.indexOf(target)].sort((a, b) => a - b);
    for (const box of boxes.slice(from, to + 1)) box.checked = target.checked;
  }
  form.lastMarked = boxes.indexOf(target);
  count(form);
}

document.addEventListener("click", (event) => {
  const form = event.target.closest("[data-marks]");
  if (form && event.target.matches('input[name="tasks"], [data-mark-all]')) mark(form, event.target, event.shiftKey);
});
// Those that are still there keep their mark when the list is refreshed.
document.addEventListener("htmx:afterSwap", () => document.querySelectorAll("[data-marks]").forEach(count));
