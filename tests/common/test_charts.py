"""Charts: where values lie, what is said beside them, and nothing that a content policy forbids."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import pytest

from apps.common.charts import (
    BOTTOM,
    HEIGHT,
    LEFT,
    RIGHT,
    TOP,
    WIDTH,
    Series,
    Slice,
    donut,
    histogram,
    line_chart,
    ticks,
)

SVG = "{http://www.w3.org/2000/svg}"


def parsed(figure: str) -> ElementTree.Element:
    """Well-formed as XML, which is stricter than a browser."""
    return ElementTree.fromstring(figure)  # noqa: S314


def lines(figure: str, css_class: str) -> list[list[tuple[float, float]]]:
    found = [e for e in parsed(figure).iter("polyline") if e.get("class") == f"series {css_class}"]
    return [[(float(x), float(y)) for x, y in (p.split(",") for p in e.attrib["points"].split())] for e in found]


CURVE = Series("Measured agreement", "audit", [(1, 0.5), (2, 0.75), (3, 1.0)], [(1, 0.4, 0.6), (2, 0.7, 0.8)])


def test_values_lie_between_the_axes() -> None:
    [line] = lines(line_chart([CURVE], "Cycle", "Share"), "audit")
    floor = HEIGHT - BOTTOM
    assert line[0] == (LEFT, pytest.approx(floor - 0.5 * (floor - TOP), abs=0.1))
    assert line[2] == (WIDTH - RIGHT, TOP)


def test_a_gap_breaks_the_line_and_keeps_its_points() -> None:
    chart = line_chart([Series("A", "human", [(1, 0.1), (2, 0.2), (3, None), (4, 0.4), (5, 0.5)])], "Cycle", "Share")
    assert [len(line) for line in lines(chart, "human")] == [2, 2]
    assert len(list(parsed(chart).iter("circle"))) == 4


def test_the_table_behind_holds_every_figure_with_its_interval() -> None:
    cells = [e.text for e in parsed(line_chart([CURVE], "Cycle", "Share")).iter("td")]
    assert cells == ["1", "50% (40% to 60%)", "2", "75% (70% to 80%)", "3", "100%"]


def test_labels_at_the_ends_do_not_overlap() -> None:
    series = [Series(name, "human", [(1, 0.0), (2, y)]) for name, y in (("A", 0.5), ("B", 0.505), ("C", 0.0))]
    chart = parsed(line_chart(series, "Cycle", "Share"))
    ys = sorted(float(e.attrib["y"]) for e in chart.iter("text") if "series-label" in e.get("class", ""))
    assert len(ys) == 3
    assert all(b - a >= 13.9 for a, b in zip(ys, ys[1:], strict=False))
    assert ys[0] >= TOP and ys[-1] <= HEIGHT - BOTTOM


@pytest.mark.parametrize(
    "chart",
    [
        line_chart([CURVE], "Cycle", "Share"),
        line_chart([], "Cycle", "Share"),
        line_chart([Series("A", "human", [])], "Cycle", "Share"),
        line_chart([Series("A", "human", [(1, 0.3)])], "Cycle", "Share"),
        histogram([1, 2, 3], [0, 0.3, 0.6, 1], "Confidence", "Images", mark=0.3),
        histogram([0, 0], [0, 0.5, 1], "Confidence", "Images"),
        donut([Slice("Labeled", 3, "human"), Slice("Queued", 1, "muted")], "75%", title="Progress"),
        donut([Slice("Labeled", 1, "human")], "100%", title="Progress"),
        donut([Slice("Labeled", 0, "human")], "–", title="Progress"),
    ],
)
def test_every_chart_is_named_and_free_of_style_and_script(chart: str) -> None:
    root = parsed(chart)
    assert root.find("svg/title") is not None and root.find("svg").get("role") == "img"
    assert all("style" not in e.attrib and not any(a.startswith("on") for a in e.attrib) for e in root.iter())
    assert not re.search(r"<(style|script)|\b(nan|inf)\b", chart)


def test_names_are_escaped() -> None:
    chart = line_chart([Series("<b>&", "human", [(1, 0.5)])], "<x>", "<y>", title="<t>")
    assert "<b>" not in chart and "&lt;b&gt;&amp;" in chart and "<x>" not in chart


def test_bars_below_the_mark_are_muted_and_their_height_is_their_count() -> None:
    bars = list(parsed(histogram([5, 10, 0], [0, 0.5, 0.8, 1], "Confidence", "Images", mark=0.5)).iter("rect"))
    assert [e.get("class") for e in bars] == ["bar muted", "bar model", "bar model"]
    heights = [float(e.attrib["height"]) for e in bars]
    assert heights == [pytest.approx((HEIGHT - TOP - BOTTOM) / 2, abs=0.2), HEIGHT - TOP - BOTTOM, 0]


def test_slices_add_up_to_the_whole_turn() -> None:
    ring = donut([Slice("A", 1, "human"), Slice("B", 1, "model"), Slice("None", 0, "audit")], "2", title="Parts")
    paths = [e for e in parsed(ring).iter("path") if e.get("class", "").startswith("area")]
    assert len(paths) == 2
    assert "A: 1 (50%)" in ring and "None: 0 (0%)" in ring


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0, 1, [0, 0.2, 0.4, 0.6, 0.8, 1]),
        (1, 3, [1, 1.5, 2, 2.5, 3]),
        (0, 0, [0]),
        (0, 1000, [0, 200, 400, 600, 800, 1000]),
    ],
)
def test_ticks_are_round(low: float, high: float, expected: list[float]) -> None:
    assert ticks(low, high, 5) == expected


def test_too_many_series_and_wrong_edges_are_refused() -> None:
    with pytest.raises(ValueError, match="3 series"):
        line_chart([CURVE] * 4, "Cycle", "Share")
    with pytest.raises(ValueError, match="3 edges"):
        histogram([1, 2], [0, 1], "Confidence", "Images")
