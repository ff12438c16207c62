"""The tree outside the database: every reader gives a tree or every error."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.taxonomies import trees
from apps.taxonomies.trees import Node, TreeErrors


def test_lines_make_a_tree() -> None:
    nodes = trees.from_lines("vehicle\n  car [4]\n\n  truck\nperson")
    assert [(node.name, node.class_id, depth) for node, depth in trees.walk(nodes)] == [
        ("vehicle", None, 1),
        ("car", 4, 2),
        ("truck", None, 2),
        ("person", None, 1),
    ]
    numbered = trees.with_class_ids(nodes)
    assert [node.class_id for node, _ in trees.walk(numbered)] == [0, 4, 1, 2]


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        ([], "at least one"),
        ([{"name": "a"}, {"name": "a"}], "there twice"),
        ([{"name": "a", "classId": 1}, {"name": "b", "classId": 1}], "class id 1 is there twice"),
        ([{"name": "a", "classId": -1}], "classId must be"),
        ([{"name": "a", "classId": True}], "classId must be"),
        ([{"name": "a", "color": 20}], "color must be"),
        ([{"name": "object"}, {"name": "x"}], "the name of the root"),
        ([{"name": ""}, {"name": "x"}], "no name"),
        ([{"name": "x" * 81}], "longer than"),
        ([{"name": "a", "children": [{"name": "b", "children": [{"name": "c", "children": ["d"]}]}]}], "deeper than 3"),
        ([{"name": "a", "children": 3}], "children must be a list"),
        ([3], "object with a name"),
        ("text", "must be a list"),
        ([{"name": "a", "attributes": [{"name": "x", "type": "date"}]}], "must be one of"),
        ([{"name": "a", "attributes": [{"name": "x", "type": "select"}]}], "1 to 100 options"),
        ([{"name": "a", "attributes": [{"type": "text"}]}], "needs a name"),
    ],
)
def test_what_is_wrong_is_said(raw: object, message: str) -> None:
    with pytest.raises(TreeErrors, match=message):
        trees.from_json(raw)


_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.floats(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["name", "classId", "color", "children", "attributes", "x"]), inner, max_size=4
        )
    ),
    max_leaves=20,
)


@given(_values)
def test_any_json_gives_a_tree_or_errors(raw: object) -> None:
    try:
        nodes = trees.from_json(raw)
    except TreeErrors as error:
        assert error.errors
    else:
        assert nodes


@given(st.text(max_size=200))
def test_any_text_gives_a_tree_or_errors(text: str) -> None:
    try:
        nodes = trees.from_lines(text)
    except TreeErrors as error:
        assert error.errors
    else:
        assert nodes


_names = st.text(st.characters(categories=["L", "N"]), min_size=1, max_size=8).filter(lambda name: name != "object")


@given(st.lists(st.tuples(_names, st.integers(0, 2)), min_size=1, max_size=12, unique_by=lambda row: row[0]))
def test_a_tree_comes_back_from_lines_and_from_json(rows: list[tuple[str, int]]) -> None:
    depth, lines = -1, []
    for name, wanted in rows:
        depth = min(wanted, depth + 1)
        lines.append("  " * depth + name)
    nodes = trees.with_class_ids(trees.from_lines("\n".join(lines)))
    assert trees.from_lines(trees.to_lines(nodes)) == nodes
    assert trees.from_json(json.loads(json.dumps(trees.to_json(nodes)))) == nodes
    assert all(isinstance(node, Node) for node, _ in trees.walk(nodes))
