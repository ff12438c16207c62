// What a press, a drag and a release do with each tool. A gesture answers true to down() or up() when it is finished.

import { MIN_SIDE, aroundPoints, bounds, clip, edges, fromPoints, handlePoint, keepInside, overlap, resize, snap, snapLines } from "./geometry.js";
import { changed } from "./store.js";

const SNAP_REACH = 6;
const CLICK_SLACK = 4;

const far = (a, b) => Math.hypot(a.screen.x - b.screen.x, a.screen.y - b.screen.y) >= CLICK_SLACK;
const inside = ({ image }, size) => ({ x: Math.min(Math.max(image.x, 0), size.w), y: Math.min(Math.max(image.y, 0), size.h) });

function snapper(editor, except) {
  const { store, viewport, overlay } = editor;
  const others = store.all().filter((box) => !except.has(box.id) && editor.isShown(box));
  const lines = snapLines(others, store.size);
  return (on, xs, ys) => {
    const found = on ? snap(xs, ys, lines, SNAP_REACH / viewport.scale) : { dx: 0, dy: 0, x: null, y: null };
    overlay.guide(found.x, found.y);
    return found;
  };
}

// Shows boxes in the hand while they move, and brings them into the store when they are let go.
function inHand(editor, boxes) {
  const ids = boxes.map((box) => box.id);
  editor.view.lift(ids, true);
  return {
    show: (now) => editor.showHand(now),
    drop(now) {
      editor.view.lift(ids, false);
      editor.showHand(null);
      editor.overlay.guide(null, null);
      if (now) editor.commit(now.map((box) => ({ id: box.id, before: editor.store.get(box.id), after: box })));
    },
  };
}

export function moving(editor, boxes, start) {
  const frame = bounds(boxes);
  const snapped = snapper(editor, new Set(boxes.map((box) => box.id)));
  let hand = null;
  let now = null;
  return {
    move(at) {
      if (!hand && !far(at, start)) return;
      hand ||= inHand(editor, boxes);
      let to = { ...frame, x: frame.x + at.image.x - start.image.x, y: frame.y + at.image.y - start.image.y };
      const e = edges(to);
      const by = snapped(at.snap, [e.l, e.r], [e.t, e.b]);
      to = keepInside({ ...to, x: to.x + by.dx, y: to.y + by.dy }, editor.store.size);
      now = boxes.map((box) => changed(box, { x: box.x + to.x - frame.x, y: box.y + to.y - frame.y }));
      hand.show(now);
    },
    up() {
      hand?.drop(now);
      return true;
    },
    cancel: () => hand?.drop(null),
  };
}

export function resizing(editor, box, handle, start, free = false) {
  const snapped = snapper(editor, new Set([box.id]));
  const hand = inHand(editor, [box]);
  const corner = handlePoint(box, handle);
  let now = box;
  return {
    free,
    move(at) {
      const from = free ? corner : start.image;
      let [dx, dy] = [at.image.x - from.x, at.image.y - from.y];
      const xs = /[we]/.test(handle) ? [corner.x + dx] : [];
      const ys = /[ns]/.test(handle) ? [corner.y + dy] : [];
      const by = snapped(at.snap, xs, ys);
      [dx, dy] = [dx + by.dx, dy + by.dy];
      now = changed(box, resize(box, handle, dx, dy, editor.store.size, at.square));
      hand.show([now]);
    },
    down() {
      hand.drop([now]);
      return true;
    },
    up() {
      if (!free) hand.drop([now]);
      return !free;
    },
    cancel: () => hand.drop(null),
  };
}

export function framing(editor, start, before) {
  let rect = null;
  return {
    move(at) {
      if (!rect && !far(at, start)) return;
      rect = fromPoints(start.image, at.image);
      editor.overlay.frame(rect);
    },
    up() {
      editor.overlay.frame(null);
      const inside_ = rect ? editor.targets().filter((box) => overlap(box, rect)).map((box) => box.id) : [];
      editor.store.select([...before, ...inside_]);
      return true;
    },
    cancel: () => editor.overlay.frame(null),
  };
}

function finish(editor, rect) {
  editor.showHand(null);
  editor.overlay.guide(null, null);
  editor.overlay.dots([]);
  if (!rect) return;
  const box = clip(rect, editor.store.size);
  if (box.w < MIN_SIDE || box.h < MIN_SIDE) editor.hint(`Too small: a box has at least ${MIN_SIDE} × ${MIN_SIDE} pixels`);
  else editor.add(box);
}

// Press, drag and release, or click, move and click: the first release decides which.
export function drawing(editor, start) {
  const { size } = editor.store;
  const snapped = snapper(editor, new Set());
  const first = snapped(start.snap, [start.image.x], [start.image.y]);
  const anchor = inside({ image: { x: start.image.x + first.dx, y: start.image.y + first.dy } }, size);
  const rectTo = (at) => {
    const by = snapped(at.snap, [at.image.x], [at.image.y]);
    return fromPoints(anchor, inside({ image: { x: at.image.x + by.dx, y: at.image.y + by.dy } }, size), at.square);
  };
  const gesture = {
    free: false,
    move: (at) => editor.showHand([editor.sketch(rectTo(at))]),
    down(at) {
      finish(editor, rectTo(at));
      return true;
    },
    up(at) {
      if (gesture.free) return false;
      gesture.free = !far(at, start);
      if (!gesture.free) finish(editor, rectTo(at));
      return !gesture.free;
    },
    cancel: () => finish(editor, null),
  };
  return gesture;
}

// Topmost, leftmost, bottommost and rightmost point of the object, in any order.
export function extremes(editor, start) {
  const points = [inside(start, editor.store.size)];
  editor.overlay.dots(points);
  return {
    free: true,
    move(at) {
      editor.overlay.dots(points);
      editor.showHand([editor.sketch(aroundPoints([...points, inside(at, editor.store.size)]))]);
    },
    down(at) {
      points.push(inside(at, editor.store.size));
      if (points.length < 4) editor.overlay.dots(points);
      else finish(editor, aroundPoints(points));
      return points.length >= 4;
    },
    up: () => false,
    cancel: () => finish(editor, null),
  };
}
