// What a key or a button can do on the canvas: name -> label, group, default keys, and the deed.

import { keepInside, resize } from "./geometry.js";
import { accepted, changed } from "./store.js";

const ARROWS = { Left: [-1, 0], Right: [1, 0], Up: [0, -1], Down: [0, 1] };

function nudge(editor, dx, dy) {
  const { store, viewport } = editor;
  if (!store.selection.size) return viewport.panBy(-dx * 40, -dy * 40);
  return editor.change(store.selected(), (box) => changed(box, keepInside({ x: box.x + dx, y: box.y + dy, w: box.w, h: box.h }, store.size)), "nudge");
}

const grow = (editor, dx, dy) => editor.change(
  editor.store.selected(), (box) => changed(box, resize(box, "se", dx, dy, editor.store.size)), "grow");

const acting = (editor) => {
  const chosen = editor.store.selected();
  const hovered = editor.store.get(editor.view.hovered);
  return chosen.length || !hovered ? chosen : [hovered];
};

const pendingOnes = (editor) => acting(editor).filter((box) => box.pending);

function nextDoubt(editor) {
  const [first] = editor.doubts();
  if (first) editor.goTo(first);
  else if (editor.undecided().length) editor.hint(`${editor.undecided().length} hidden below the slider are undecided`);
  else editor.say("Nothing left to decide");
}

function acceptNext(editor) {
  const now = pendingOnes(editor);
  if (now.length) editor.change(now, accepted);
  nextDoubt(editor);
}

function reject(editor) {
  const now = pendingOnes(editor);
  if (!now.length) return;
  editor.remove(now);
  nextDoubt(editor);
}

// One step through the boxes in their order; false past either end, so that Tab leaves the canvas there.
export function step(editor, by) {
  const all = editor.store.all().filter((box) => editor.isShown(box));
  const at = all.findIndex((box) => editor.store.selection.has(box.id));
  const to = all[at < 0 && by < 0 ? all.length - 1 : at + by];
  if (to) editor.goTo(to);
  return Boolean(to);
}

function order(editor, way, whole) {
  const zs = editor.store.all().map((box) => box.z);
  const edge = way > 0 ? Math.max(0, ...zs) + 1 : Math.min(0, ...zs) - 1;
  editor.change(editor.store.selected(), (box) => ({ ...box, z: whole ? edge : box.z + way }));
}

function paste(editor, boxes, shift) {
  if (!boxes.length) return editor.hint("Nothing to paste");
  return editor.addAll(boxes.map((box) => ({ ...box, x: box.x + shift, y: box.y + shift })));
}

function copy(editor) {
  editor.clipboard = editor.store.selected();
  editor.clipboardFrom = editor.store.boxes;
  editor.say(`${editor.clipboard.length} copied`);
}

// For those who draw by keys alone: a box to move and resize from there.
function boxInView(editor) {
  const { viewport, store } = editor;
  const side = Math.min(viewport.pane.w, viewport.pane.h) / viewport.scale / 4;
  const center = viewport.toImage({ x: viewport.pane.w / 2, y: viewport.pane.h / 2 });
  editor.setTool("select");
  editor.add(keepInside({ x: center.x - side / 2, y: center.y - side / 2, w: side, h: side }, store.size));
  editor.say(editor.describe(editor.store.selected()[0]));
}

const toggle = (editor, name) => editor.setPref(name, !editor.prefs[name]);

function toggleFlag(editor, name) {
  const boxes = acting(editor);
  const on = !boxes.every((box) => editor.store.flag(box.id)[name]);
  editor.store.setFlags(boxes.map((box) => box.id), { [name]: on });
}

function undo(editor, way) {
  editor.pointer.cancel();
  if (!editor.readonly && !editor.history[way]()) editor.say(`Nothing to ${way}`);
}

export const escape = (editor) => {
  if (editor.pointer.cancel()) return;
  if (editor.tool !== "select") editor.setTool("select");
  else editor.store.select([]);
};

const moves = Object.entries(ARROWS).flatMap(([name, [x, y]]) => {
  const word = name.toLowerCase();
  return [
    [`move-${word}`, [`Move ${word} 1 px`, "Boxes", [`Arrow${name}`], (e) => nudge(e, x, y)]],
    [`move-${word}-10`, [`Move ${word} 10 px`, "Boxes", [`Shift+Arrow${name}`], (e) => nudge(e, 10 * x, 10 * y)]],
    [`grow-${word}`, [`Resize ${word} 1 px`, "Boxes", [`Ctrl+Arrow${name}`], (e) => grow(e, x, y)]],
    [`grow-${word}-10`, [`Resize ${word} 10 px`, "Boxes", [`Ctrl+Shift+Arrow${name}`], (e) => grow(e, 10 * x, 10 * y)]],
  ];
});

const table = {
  "new-box": ["New box", "Drawing", ["N", "B"], (e) => e.setTool("box")],
  "new-box-here": ["New box in the middle of the view", "Drawing", ["Shift+N"], boxInView],
  "new-extreme": ["New box by four extreme points", "Drawing", ["D"], (e) => e.setTool("extreme")],
  select: ["Select", "Drawing", ["V"], (e) => e.setTool("select")],
  escape: ["Cancel, back to select, deselect", "Drawing", ["Escape"], escape],
  crosshair: ["Crosshair", "Drawing", ["T"], (e) => toggle(e, "crosshair")],
  "next-box": ["Next box", "Boxes", ["Tab"], (e) => step(e, 1)],
  "previous-box": ["Previous box", "Boxes", ["Shift+Tab"], (e) => step(e, -1)],
  delete: ["Delete", "Boxes", ["Delete", "Backspace"], (e) => e.remove(acting(e))],
  undo: ["Undo", "Boxes", ["Ctrl+Z"], (e) => undo(e, "undo")],
  redo: ["Redo", "Boxes", ["Ctrl+Shift+Z", "Ctrl+Y"], (e) => undo(e, "redo")],
  copy: ["Copy", "Boxes", ["Ctrl+C"], copy],
  paste: ["Paste", "Boxes", ["Ctrl+V"], (e) => paste(e, e.clipboard, e.clipboardFrom === e.store.boxes ? 10 : 0)],
  duplicate: ["Duplicate", "Boxes", ["Ctrl+D"], (e) => paste(e, e.store.selected(), 10)],
  repeat: ["Repeat the boxes of the previous image", "Boxes", ["R"], (e) => paste(e, e.previous, 0)],
  "select-all": ["Select all", "Boxes", ["Ctrl+A"], (e) => e.store.select(e.targets().map((box) => box.id))],
  "grab-top-left": ["Top left corner follows the pointer", "Boxes", [","], (e) => e.pointer.grab("nw")],
  "grab-bottom-right": ["Bottom right corner follows the pointer", "Boxes", ["."], (e) => e.pointer.grab("se")],
  back: ["Send back", "Boxes", ["["], (e) => order(e, -1, false)],
  forward: ["Bring forward", "Boxes", ["]"], (e) => order(e, 1, false)],
  "to-back": ["Send to the back", "Boxes", ["Shift+["], (e) => order(e, -1, true)],
  "to-front": ["Bring to the front", "Boxes", ["Shift+]"], (e) => order(e, 1, true)],
  lock: ["Lock or unlock", "Boxes", ["L"], (e) => toggleFlag(e, "locked")],
  hide: ["Hide or show", "Boxes", ["H"], (e) => toggleFlag(e, "hidden")],
  focus: ["Only the selected boxes, or all", "Boxes", ["G"], (e) => e.setFocus(e.focus ? null : [...e.store.selection])],
  "show-all": ["Show all boxes", "Boxes", ["Shift+H"], (e) => {
    e.focus = null;
    e.store.setFlags(e.store.all().map((box) => box.id), { hidden: false });
  }],
  "hold-hide": ["Hide all boxes while held", "View", ["U"], (e, down) => e.setHideAll(down), "hold"],
  accept: ["Accept", "Pre-labels", ["A"], (e) => e.change(pendingOnes(e), accepted)],
  "accept-all": ["Accept all shown", "Pre-labels", ["Shift+A"], (e) => e.change(e.doubts(), accepted)],
  reject: ["Reject", "Pre-labels", ["X"], reject],
  "reject-all": ["Reject all shown", "Pre-labels", ["Shift+X"], (e) => e.remove(e.doubts())],
  "accept-next": ["Accept and go to the next least sure", "Pre-labels", ["Space"], acceptNext],
  ghosts: ["Faint boxes below the slider", "Pre-labels", ["Shift+G"], (e) => toggle(e, "ghosts")],
  fit: ["Fit the image", "View", ["Home", "Ctrl+0"], (e) => e.viewport.fit()],
  "actual-size": ["One to one", "View", ["Shift+Home"], (e) => e.viewport.zoomTo(1)],
  "zoom-in": ["Zoom in", "View", ["+", "="], (e) => e.viewport.zoomBy(1.25)],
  "zoom-out": ["Zoom out", "View", ["-"], (e) => e.viewport.zoomBy(0.8)],
  "keep-view": ["Keep zoom and place for the next image", "View", ["K"], (e) => toggle(e, "keepView")],
  "zoom-boxes": ["Zoom to each box", "View", ["J"], (e) => toggle(e, "zoomBoxes")],
  pixelated: ["Sharp pixels above 200 %", "View", ["Y"], (e) => toggle(e, "pixelated")],
  invert: ["Invert", "View", ["I"], (e) => toggle(e, "invert")],
};

function classKeys(classes) {
  return classes.slice(0, 20).map((one, n) => {
    const digit = (n + 1) % 10;
    return [`class-${n + 1}`, [`Class ${one.name}`, "Classes", [n < 10 ? `${digit}` : `Shift+${digit}`], (e) => e.setClass(one.id)]];
  });
}

export function canvasActions(classes) {
  const all = [...Object.entries(table), ...moves, ...classKeys(classes)];
  const actions = Object.fromEntries(all.map(([name, [label, group, keys, run, kind = "press"]]) => [name, { label, group, keys, run, kind }]));
  if (classes.length < 10) actions.fit.keys.push("0");
  return actions;
}
