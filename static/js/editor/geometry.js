// Rectangles {x, y, w, h} in image pixels; every function is pure.

export const MIN_SIDE = 2;
export const HANDLES = ["nw", "n", "ne", "e", "se", "s", "sw", "w"];

const between = (value, low, high) => Math.min(Math.max(value, low), high);
const rounded = (value) => Math.round(value * 1e8) / 1e8;

export const area = (box) => box.w * box.h;
export const edges = (box) => ({ l: box.x, t: box.y, r: box.x + box.w, b: box.y + box.h });
export const fromEdges = ({ l, t, r, b }) => ({ x: l, y: t, w: r - l, h: b - t });
export const sameRect = (a, b) => a.x === b.x && a.y === b.y && a.w === b.w && a.h === b.h;

export const fromNorm = ([x, y, w, h], size) => ({ x: x * size.w, y: y * size.h, w: w * size.w, h: h * size.h });

export function toNorm(box, size) {
  const [x, y] = [between(rounded(box.x / size.w), 0, 1), between(rounded(box.y / size.h), 0, 1)];
  return [x, y, rounded(Math.min(box.w / size.w, 1 - x)), rounded(Math.min(box.h / size.h, 1 - y))];
}

export function clip(box, size) {
  const { l, t, r, b } = edges(box);
  return fromEdges({
    l: between(l, 0, size.w), t: between(t, 0, size.h), r: between(r, 0, size.w), b: between(b, 0, size.h),
  });
}

// Moves a rectangle back inside the image, shrinking it only where it is larger than the image.
export function keepInside(box, size) {
  const [w, h] = [Math.min(box.w, size.w), Math.min(box.h, size.h)];
  return { ...box, w, h, x: between(box.x, 0, size.w - w), y: between(box.y, 0, size.h - h) };
}

export function fromPoints(a, b, square = false) {
  let [dx, dy] = [b.x - a.x, b.y - a.y];
  if (square) {
    const side = Math.max(Math.abs(dx), Math.abs(dy));
    [dx, dy] = [dx < 0 ? -side : side, dy < 0 ? -side : side];
  }
  return { x: Math.min(a.x, a.x + dx), y: Math.min(a.y, a.y + dy), w: Math.abs(dx), h: Math.abs(dy) };
}

export function bounds(boxes) {
  const all = boxes.map(edges);
  return fromEdges({
    l: Math.min(...all.map((e) => e.l)), t: Math.min(...all.map((e) => e.t)),
    r: Math.max(...all.map((e) => e.r)), b: Math.max(...all.map((e) => e.b)),
  });
}

export const aroundPoints = (points) => bounds(points.map((p) => ({ x: p.x, y: p.y, w: 0, h: 0 })));

export function handlePoint(box, handle) {
  const across = handle.includes("w") ? 0 : handle.includes("e") ? 1 : 0.5;
  const down = handle.includes("n") ? 0 : handle.includes("s") ? 1 : 0.5;
  return { x: box.x + across * box.w, y: box.y + down * box.h };
}

// Only the edges that the handle names move; they stop MIN_SIDE before the opposite edge and at the image's border.
export function resize(box, handle, dx, dy, size, square = false) {
  const e = edges(box);
  if (square && handle.length === 2) {
    const side = Math.max(box.w + (handle.includes("w") ? -dx : dx), box.h + (handle.includes("n") ? -dy : dy));
    dx = handle.includes("w") ? box.w - side : side - box.w;
    dy = handle.includes("n") ? box.h - side : side - box.h;
  }
  if (handle.includes("w")) e.l = between(e.l + dx, 0, e.r - MIN_SIDE);
  if (handle.includes("e")) e.r = between(e.r + dx, e.l + MIN_SIDE, size.w);
  if (handle.includes("n")) e.t = between(e.t + dy, 0, e.b - MIN_SIDE);
  if (handle.includes("s")) e.b = between(e.b + dy, e.t + MIN_SIDE, size.h);
  return { ...box, ...fromEdges(e) };
}

export function overlap(a, b) {
  const w = Math.min(a.x + a.w, b.x + b.w) - Math.max(a.x, b.x);
  const h = Math.min(a.y + a.h, b.y + b.h) - Math.max(a.y, b.y);
  return w > 0 && h > 0 ? w * h : 0;
}

export function iou(a, b) {
  const both = overlap(a, b);
  return both && both / (area(a) + area(b) - both);
}

export const covers = (box, point, slack = 0) =>
  point.x >= box.x - slack && point.x <= box.x + box.w + slack
  && point.y >= box.y - slack && point.y <= box.y + box.h + slack;

// Boxes under a point, the one that a person means first: brought forward, then smallest.
export function under(boxes, point, slack = 0) {
  return boxes.filter((box) => covers(box, point, slack)).sort((a, b) => b.z - a.z || area(a) - area(b));
}

// The handle under a screen point; rect is the box on the screen. Corners win over edges, edges work along their length.
export function handleAt(rect, point, reach) {
  const near = (handle) => {
    const p = handlePoint(rect, handle);
    return Math.max(Math.abs(p.x - point.x), Math.abs(p.y - point.y)) <= reach;
  };
  const found = ["nw", "ne", "se", "sw"].find(near) || ["n", "e", "s", "w"].find(near);
  if (found || !covers(rect, point, reach / 2)) return found || null;
  const e = edges(rect);
  const gaps = { w: Math.abs(point.x - e.l), e: Math.abs(point.x - e.r), n: Math.abs(point.y - e.t), s: Math.abs(point.y - e.b) };
  const [edge, gap] = Object.entries(gaps).sort((a, b) => a[1] - b[1])[0];
  return gap <= reach / 2 ? edge : null;
}

// Shifts (dx, dy) that bring one of the lines xs, ys onto a target line, and the guides to draw.
export function snap(xs, ys, targets, reach) {
  const nearest = (values, lines) => {
    let best = { gap: reach, shift: 0, line: null };
    for (const value of values) {
      for (const line of lines) {
        const gap = Math.abs(line - value);
        if (gap <= best.gap) best = { gap, shift: line - value, line };
      }
    }
    return best;
  };
  const [h, v] = [nearest(xs, targets.xs), nearest(ys, targets.ys)];
  return { dx: h.shift, dy: v.shift, x: h.line, y: v.line };
}

export function snapLines(boxes, size) {
  const all = boxes.map(edges);
  return { xs: [0, size.w, ...all.flatMap((e) => [e.l, e.r])], ys: [0, size.h, ...all.flatMap((e) => [e.t, e.b])] };
}
