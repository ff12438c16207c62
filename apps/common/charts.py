"""Charts drawn by the server as SVG without inline style, each with its figures in a table behind it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe

WIDTH, HEIGHT = 760, 280
LEFT, RIGHT, TOP, BOTTOM = 48, 150, 14, 44
LINE_HEIGHT = 14
DONUT = 130
MOST_SERIES = 3
EMPTY = mark_safe("")  # noqa: S308

Point = tuple[float, float | None]


def percent(value: float) -> str:
    return f"{value:.0%}"


def number(value: float) -> str:
    return f"{value:,.0f}" if float(value).is_integer() else f"{value:,.2f}"


@dataclass(frozen=True)
class Series:
    """A line: points (x, y), y None where it has a gap; the band is (x, low, high). css_class: human, model, audit."""

    label: str
    css_class: str
    points: Sequence[Point]
    band: Sequence[tuple[float, float, float]] | None = None

    @property
    def known(self) -> list[tuple[float, float]]:
        return [(x, y) for x, y in self.points if y is not None]


@dataclass(frozen=True)
class Frame:
    """Where values lie on the drawing."""

    x_low: float
    x_high: float
    y_high: float
    width: int = WIDTH
    margin: int = RIGHT

    @property
    def right(self) -> int:
        return self.width - self.margin

    def x(self, value: float) -> float:
        return round(LEFT + (value - self.x_low) / (self.x_high - self.x_low) * (self.right - LEFT), 1)

    def y(self, value: float) -> float:
        return round(HEIGHT - BOTTOM - min(max(value / self.y_high, 0.0), 1.0) * (HEIGHT - TOP - BOTTOM), 1)


def ticks(low: float, high: float, most: int = 8) -> list[float]:
    """Round numbers from low to high, at most about `most` of them."""
    span = high - low
    if span <= 0:
        return [low]
    rough = span / most
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough * 0.999)
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return [round(index * step, 10) for index in range(first, last + 1)]


def line_chart(
    series: Sequence[Series],
    x_label: str,
    y_label: str,
    y_max: float = 1.0,
    *,
    title: str = "",
    y_format: Callable[[float], str] | None = None,
    width: int = WIDTH,
) -> SafeString:
    """At most three lines from a common zero, labeled at their ends, each with its band; x in whole numbers.

    The drawing fills its place; `width` is how wide it is in units of which the letters are 11 high.
    """
    if len(series) > MOST_SERIES:
        raise ValueError(f"A chart takes {MOST_SERIES} series, not {len(series)}.")
    shown = y_format or (percent if y_max == 1.0 else number)
    xs = sorted({x for line in series for x, _ in line.points}) or [0.0]
    alone = int(xs[0] == xs[-1])
    frame = Frame(xs[0] - alone, xs[-1] + alone, y_max, width)
    x_ticks = [value for value in ticks(xs[0], xs[-1]) if float(value).is_integer()]
    drawing = [
        _axes(frame, x_ticks, x_label, y_label, shown),
        *(_band(frame, line) for line in series if line.band),
        *(_line(frame, line, shown) for line in series),
        _end_labels(frame, series),
    ]
    name = title or f"{', '.join(line.label for line in series)} by {x_label.lower()}"
    rows = [(number(x), *(_at(line, x, shown) for line in series)) for x in xs] if any(s.points for s in series) else []
    return _figure(name, width, drawing, (x_label, *(line.label for line in series)), rows)


def histogram(
    counts: Sequence[int],
    edges: Sequence[float],
    x_label: str,
    y_label: str,
    *,
    css_class: str = "model",
    mark: float | None = None,
    title: str = "",
    x_format: Callable[[float], str] = percent,
    width: int = WIDTH,
) -> SafeString:
    """Bars over the bins between the edges; `mark` draws a threshold, below which the bars are muted."""
    if len(edges) != len(counts) + 1:
        raise ValueError(f"{len(counts)} bars have {len(counts) + 1} edges, not {len(edges)}.")
    top = ticks(0, max([*counts, 1]) * 1.001, 4)
    frame = Frame(edges[0], edges[-1], max(top[-1], max([*counts, 1])), width, margin=16)
    bars = [
        _bar(frame, *bar, x_format)
        for bar in zip(counts, edges, edges[1:], _classes(edges, css_class, mark), strict=False)
    ]
    drawing = [
        _axes(frame, edges if len(edges) <= 11 else ticks(edges[0], edges[-1]), x_label, y_label, number, x_format),
        *bars,
    ]
    if mark is not None:
        drawing.append(
            format_html(
                '<g class="axis"><line x1="{0}" x2="{0}" y1="{1}" y2="{2}" stroke-dasharray="4 3"></line></g>',
                frame.x(mark),
                TOP,
                HEIGHT - BOTTOM,
            )
        )
    rows = [
        (f"{x_format(low)} to {x_format(high)}", number(n))
        for n, low, high in zip(counts, edges, edges[1:], strict=False)
    ]
    return _figure(title or f"{y_label} by {x_label.lower()}", width, drawing, (x_label, y_label), rows)


def _classes(edges: Sequence[float], css_class: str, mark: float | None) -> list[str]:
    return ["muted" if mark is not None and high <= mark + 1e-9 else css_class for high in edges[1:]]


def _bar(
    frame: Frame, count: int, low: float, high: float, css_class: str, shown: Callable[[float], str]
) -> SafeString:
    return format_html(
        '<rect class="bar {}" x="{}" y="{}" width="{}" height="{}"><title>{} to {}: {}</title></rect>',
        css_class,
        frame.x(low) + 0.5,
        frame.y(count),
        max(round(frame.x(high) - frame.x(low) - 1, 1), 0.5),
        round(frame.y(0) - frame.y(count), 1),
        shown(low),
        shown(high),
        number(count),
    )


@dataclass(frozen=True)
class Slice:
    label: str
    value: float
    css_class: str


def donut(slices: Sequence[Slice], center: str, *, title: str) -> SafeString:
    """Shares of a whole around a figure, each named beside it; an empty whole is an empty ring."""
    total = sum(part.value for part in slices)
    arcs: list[tuple[str, str, str]] = []
    labels: list[tuple[str, float, float, str]] = []
    turned = 0.0
    for index, part in enumerate(slices):
        share = part.value / total if total else 0.0
        words = f"{part.label}: {number(part.value)} ({share:.0%})"
        if share:
            arcs.append((part.css_class, _sector(turned, turned + share), words))
        y = DONUT / 2 + (index - (len(slices) - 1) / 2) * 20
        labels.append((part.css_class, y - 5, y, words))
        turned += share
    ring = format_html('<path class="gridline" fill="none" d="{}"></path>', _sector(0, 1))
    legend = '<rect class="area {}" x="150" y="{}" width="10" height="10"></rect><text x="168" y="{}" dy="4">{}</text>'
    drawing = format_html(
        '<svg class="chart" viewBox="0 0 400 {}" role="img"><title>{}</title>{}{}{}'
        '<text x="{}" y="{}" text-anchor="middle" dominant-baseline="central" font-size="18">{}</text></svg>',
        DONUT,
        title,
        ring,
        format_html_join("", '<path class="area {}" d="{}"><title>{}</title></path>', arcs),
        format_html_join("", legend, labels),
        DONUT / 2,
        DONUT / 2,
        center,
    )
    rows = [(part.label, number(part.value)) for part in slices]
    return format_html('<figure class="figure">{}{}</figure>', drawing, _table(title, ("Part", "Number"), rows))


def _sector(start: float, end: float) -> str:
    """The ring between two shares of the turn, clockwise from the top; a whole turn just does not close."""
    end = min(end, start + 0.9999)
    outer, inner = DONUT / 2 - 4, DONUT / 2 - 22

    def at(share: float, radius: float) -> str:
        angle = 2 * math.pi * share
        return f"{DONUT / 2 + radius * math.sin(angle):.2f} {DONUT / 2 - radius * math.cos(angle):.2f}"

    large = int(end - start > 0.5)
    return (
        f"M{at(start, outer)} A{outer} {outer} 0 {large} 1 {at(end, outer)} "
        f"L{at(end, inner)} A{inner} {inner} 0 {large} 0 {at(start, inner)} Z"
    )


def _axes(
    frame: Frame,
    x_ticks: Iterable[float],
    x_label: str,
    y_label: str,
    y_format: Callable[[float], str],
    x_format: Callable[[float], str] = number,
) -> SafeString:
    right = frame.right
    floor = HEIGHT - BOTTOM
    grid = format_html_join(
        "",
        '<line class="gridline" x1="{}" x2="{}" y1="{}" y2="{}"></line>'
        '<text x="{}" y="{}" text-anchor="end" dominant-baseline="middle">{}</text>',
        [(LEFT, right, frame.y(v), frame.y(v), LEFT - 6, frame.y(v), y_format(v)) for v in ticks(0, frame.y_high, 5)],
    )
    marks = format_html_join(
        "",
        '<text x="{}" y="{}" text-anchor="middle">{}</text>',
        [(frame.x(value), floor + 16, x_format(value)) for value in x_ticks],
    )
    return format_html(
        '{}<g class="axis"><line x1="{}" x2="{}" y1="{}" y2="{}"></line>{}'
        '<text x="{}" y="{}" text-anchor="middle">{}</text>'
        '<text transform="translate(11 {}) rotate(-90)" text-anchor="middle">{}</text></g>',
        grid, LEFT, right, floor, floor, marks,
        (LEFT + right) / 2, HEIGHT - 8, x_label, (TOP + floor) / 2, y_label,
    )  # fmt: skip


def _band(frame: Frame, line: Series) -> SafeString:
    band = sorted(line.band or ())
    there = [f"{frame.x(x)},{frame.y(high)}" for x, _, high in band]
    back = [f"{frame.x(x)},{frame.y(low)}" for x, low, _ in reversed(band)]
    return format_html('<polygon class="band {}" points="{}"></polygon>', line.css_class, " ".join(there + back))


def _line(frame: Frame, line: Series, shown: Callable[[float], str]) -> SafeString:
    stretches: list[list[str]] = [[]]
    for x, y in line.points:
        if y is None:
            stretches.append([])
        else:
            stretches[-1].append(f"{frame.x(x)},{frame.y(y)}")
    lines = format_html_join(
        "",
        '<polyline class="series {}" points="{}"></polyline>',
        [(line.css_class, " ".join(stretch)) for stretch in stretches if len(stretch) > 1],
    )
    points = format_html_join(
        "",
        '<circle class="point {}" cx="{}" cy="{}" r="3.5"><title>{} at {}: {}</title></circle>',
        [(line.css_class, frame.x(x), frame.y(y), line.label, number(x), shown(y)) for x, y in line.known],
    )
    return format_html("{}{}", lines, points)


def _end_labels(frame: Frame, series: Sequence[Series]) -> SafeString:
    """Beside the last point of each line, moved apart where they would overlap."""
    wanted = sorted((frame.y(line.known[-1][1]), index) for index, line in enumerate(series) if line.known)
    lowest = HEIGHT - BOTTOM - LINE_HEIGHT * (len(wanted) - 1)
    at = float(TOP - LINE_HEIGHT)
    rows = []
    for place, (y, index) in enumerate(wanted):
        at = max(at + LINE_HEIGHT, min(y, lowest + place * LINE_HEIGHT))
        line = series[index]
        rows.append((line.css_class, frame.x(line.known[-1][0]) + 10, at, line.label))
    text = '<text class="series-label {}" x="{}" y="{}" dominant-baseline="middle">{}</text>'
    return format_html_join("", text, rows)


def _at(line: Series, x: float, shown: Callable[[float], str]) -> str:
    value = dict(line.points).get(x)
    if value is None:
        return "–"
    band = {at: (low, high) for at, low, high in line.band or ()}.get(x)
    return f"{shown(value)} ({shown(band[0])} to {shown(band[1])})" if band else shown(value)


def _figure(
    title: str, width: int, drawing: Sequence[SafeString], heads: Sequence[str], rows: Sequence[Sequence[str]]
) -> SafeString:
    body = format_html_join("", "{}", ((part,) for part in drawing))
    svg = format_html(
        '<svg class="chart" viewBox="0 0 {} {}" role="img"><title>{}</title>{}</svg>', width, HEIGHT, title, body
    )
    return format_html('<figure class="figure">{}{}</figure>', svg, _table(title, heads, rows))


def _table(title: str, heads: Sequence[str], rows: Sequence[Sequence[str]]) -> SafeString:
    if not rows:
        return EMPTY
    head = format_html_join("", '<th scope="col"{}>{}</th>', [(_num(i), text) for i, text in enumerate(heads)])
    body = format_html_join("", "<tr>{}</tr>", [(_cells(row),) for row in rows])
    return format_html(
        '<details class="behind"><summary class="meta">Figures</summary><div class="table-wrap">'
        '<table class="table compact"><caption class="visually-hidden">{}</caption>'
        "<thead><tr>{}</tr></thead><tbody>{}</tbody></table></div></details>",
        title, head, body,
    )  # fmt: skip


def _cells(row: Sequence[str]) -> SafeString:
    return format_html_join("", "<td{}>{}</td>", [(_num(index), cell) for index, cell in enumerate(row)])


def _num(index: int) -> SafeString:
    return EMPTY if index == 0 else mark_safe(' class="num"')  # noqa: S308
