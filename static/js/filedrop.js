// A drop zone around an ordinary file input: dropped files become the input's files, chosen ones are listed.

const UNITS = ["B", "kB", "MB", "GB"];

export function size(bytes) {
  const power = Math.min(UNITS.length - 1, Math.floor(Math.log10(Math.max(1, bytes)) / 3));
  const value = bytes / 1000 ** power;
  return `${power ? value.toFixed(1) : value} ${UNITS[power]}`;
}

export function summary(files) {
  const total = files.reduce((sum, file) => sum + file.size, 0);
  if (files.length === 1) return `${files[0].name}, ${size(total)}`;
  return files.length ? `${files.length} files, ${size(total)}` : "";
}

function list(zone) {
  const shown = zone.querySelector("[data-files]");
  if (shown) shown.textContent = summary([...zone.querySelector("input[type=file]").files]);
}

function zoneOf(event) {
  return event.target instanceof Element ? event.target.closest(".drop") : null;
}

function drop(event) {
  const zone = zoneOf(event);
  if (!zone || !event.dataTransfer.files.length) return;
  event.preventDefault();
  zone.classList.remove("is-over");
  const input = zone.querySelector("input[type=file]");
  const kept = new DataTransfer();
  for (const file of [...event.dataTransfer.files].slice(0, input.multiple ? undefined : 1)) kept.items.add(file);
  input.files = kept.files;
  input.dispatchEvent(new Event("change", { bubbles: true }));
}

export function mountDrops(root) {
  root.addEventListener("dragover", (event) => {
    const zone = zoneOf(event);
    if (!zone) return;
    event.preventDefault();
    zone.classList.add("is-over");
  });
  root.addEventListener("dragleave", (event) => zoneOf(event)?.classList.remove("is-over"));
  root.addEventListener("drop", drop);
  root.addEventListener("change", (event) => {
    const zone = zoneOf(event);
    if (zone) list(zone);
  });
}
