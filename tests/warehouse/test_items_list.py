"""The items list: both shapes read as a stream; what is wrong is said with its position."""

import io
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.warehouse import items_list
from apps.warehouse.formats import FormatError
from apps.warehouse.items_list import Bad, Listed


class Trickle(io.RawIOBase):
    """A file that gives a few bytes at a time, as a network does."""

    def __init__(self, data: bytes, size: int) -> None:
        self.data, self.size = data, size

    def read(self, size: int = -1) -> bytes:
        part, self.data = self.data[: self.size], self.data[self.size :]
        return part


def read(raw: object, **options: Any) -> list[Listed | Bad]:
    return list(items_list.read(io.BytesIO(json.dumps(raw).encode()), **{"absolute": False, **options}))


def test_both_shapes_are_understood() -> None:
    first, second, third = read(
        [
            {"url": "folder/a.png"},
            {"items": ["/b.png"], "name": "b", "labels": [], "priority": 0.5, "metaData": {"site": 3}},
            {"url": "c.png", "name": "c"},
        ]
    )
    assert (first.position, first.name, first.path, first.labels) == (1, "folder/a.png", "folder/a.png", None)
    assert (second.name, second.path, second.labels) == ("b", "b.png", [])
    assert second.meta == {"site": 3, "priority": 0.5}
    assert third.position == 3


@pytest.mark.parametrize(
    ("item", "reason"),
    [
        ("a.png", "must be an object"),
        ({}, "needs a url"),
        ({"items": []}, "exactly one path"),
        ({"items": ["a", "b"]}, "exactly one path"),
        ({"url": 3}, "path must be a text"),
        ({"url": " "}, "path must be a text"),
        ({"url": "a", "name": 3}, "name must be a text"),
        ({"url": "a" * 1001}, "longer than"),
        ({"url": "a\u0000b"}, "cannot be stored"),
        ({"url": "a", "metaData": {"score": float("nan")}}, "NaN, Infinity"),
        ({"url": "a", "priority": float("inf")}, "NaN, Infinity"),
        ({"url": "a\u0007b"}, "cannot be shown"),
        ({"url": "https://x.org/a.png"}, "a key in the bucket"),
        ({"url": "a", "labels": {}}, "labels must be a list"),
        ({"url": "a", "metaData": []}, "metaData must be an object"),
        ({"url": "a", "metaData": [1]}, "metaData must be an object"),
        ({"url": "a", "priority": 2}, "priority must be"),
    ],
)
def test_an_item_that_is_wrong_is_told_and_the_next_is_read(item: object, reason: str) -> None:
    bad, good = read([item, {"url": "good.png"}])
    if item == {"url": "a", "metaData": []}:
        assert isinstance(bad, Listed)
    else:
        assert isinstance(bad, Bad) and bad.position == 1 and reason in bad.reason
    assert isinstance(good, Listed) and good.position == 2


def test_public_items_must_be_absolute() -> None:
    (good, bad) = read([{"url": "https://x.org/a.png"}, {"url": "a.png"}], absolute=True)
    assert good.path == "https://x.org/a.png" and "absolute" in bad.reason


@pytest.mark.parametrize("host", ["[::1", "a.org;script-src", "a.org:port", "a..org", "'self'", "a,b"])
def test_an_address_that_is_none_is_told_and_the_next_is_read(host: str) -> None:
    bad, good = read([{"url": f"https://{host}/a.png"}, {"url": "https://x.org/a.png"}], absolute=True)
    assert isinstance(bad, Bad) and "absolute" in bad.reason and isinstance(good, Listed)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "breaks off after item 0"),
        ("{}", "does not begin with"),
        ("[", "breaks off after item 0"),
        ('[{"url": "a"}', "breaks off after item 1"),
        ('[{"url": "a"},', "breaks off after item 1"),
        ('[{"url": "a"} {"url": "b"}]', "comma is missing"),
        ('[{"url": "a"}, {"url": ]', "Item 2 is not JSON"),
        ('[{"url": "a"}] x', "more after the end"),
        ("[,]", "Item 1 is not JSON"),
    ],
)
def test_broken_text_is_told_with_its_position(text: str, message: str) -> None:
    with pytest.raises(FormatError, match=message):
        items_list.count(io.BytesIO(text.encode()))


def test_what_is_not_utf8_is_told() -> None:
    with pytest.raises(FormatError, match="not UTF-8"):
        items_list.count(io.BytesIO(b'[{"url": "\xff"}]'))


_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=6),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["url", "items", "name", "labels", "priority", "x"]), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(st.lists(_values, max_size=8), st.integers(1, 9), st.sampled_from([None, 2]))
def test_any_list_is_read_whole_however_it_trickles(raw: list[Any], size: int, indent: int | None) -> None:
    data = json.dumps(raw, indent=indent, ensure_ascii=False).encode()
    assert list(items_list.elements(Trickle(data, size))) == raw
    found = list(items_list.read(Trickle(data, size), absolute=False))
    assert [each.position for each in found] == list(range(1, len(raw) + 1))


@given(st.binary(max_size=60) | st.text('[]{}",:ab1 ', max_size=40).map(str.encode), st.integers(1, 5))
def test_any_bytes_are_read_or_refused(data: bytes, size: int) -> None:
    try:
        expected = json.loads(data.decode("utf-8-sig"))
    except ValueError:
        expected = None
    if isinstance(expected, list):
        assert list(items_list.elements(Trickle(data, size))) == expected
    else:
        with pytest.raises(FormatError):
            items_list.count(Trickle(data, size))
