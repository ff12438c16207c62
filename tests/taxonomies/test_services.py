"""Taxonomies: created, edited in place until used, then by versions that keep every class id."""

import pytest
from django.core.exceptions import ValidationError

from apps.accounts.models import Organization
from apps.common.http import Conflict
from apps.taxonomies import services, trees
from apps.taxonomies.models import Taxonomy
from apps.taxonomies.trees import TreeErrors

TREE = [
    {"name": "object", "children": [{"name": "vehicle", "classId": 0, "children": [{"name": "car", "classId": 1}]}]}
]


def ids(taxonomy: Taxonomy) -> dict[str, int]:
    return dict(taxonomy.categories.values_list("name", "class_id"))


def test_names_make_a_flat_tree_with_ids_from_0(organization: Organization) -> None:
    made = services.create(organization=organization, name="Cells", tree=["RBC", "WBC"])
    assert ids(made) == {"RBC": 0, "WBC": 1}
    assert [each["path"] for each in services.palette(made)] == [["RBC"], ["WBC"]]


def test_the_tree_is_stored_and_read_back(organization: Organization) -> None:
    made = services.create(organization=organization, name="Roads", tree=TREE)
    assert trees.to_lines(services.nodes(made)) == "vehicle [0]\n  car [1]"
    assert services.palette(made)[1]["path"] == ["vehicle", "car"]
    assert services.class_ids(made) == {0, 1}


def test_a_name_is_taken_once(organization: Organization) -> None:
    services.create(organization=organization, name="Cells", tree=["a"])
    with pytest.raises(ValidationError):
        services.create(organization=organization, name="Cells", tree=["b"])


def test_an_unused_version_is_edited_in_place(organization: Organization) -> None:
    made = services.create(organization=organization, name="Cells", tree=["a", "b"])
    same = services.update(taxonomy=made, tree=["b", "c"])
    assert (same.pk, same.version) == (made.pk, 1)
    assert ids(same) == {"b": 1, "c": 2}


def test_a_used_version_stays_and_the_next_keeps_every_class_id(organization: Organization) -> None:
    made = services.create(organization=organization, name="Cells", tree=["a", "b"])
    services.freeze(made)
    following = services.update(taxonomy=made, tree=trees.from_lines("group\n  b renamed [1]\na\nnew"))
    assert (following.version, following.frozen_at) == (2, None)
    assert ids(following) == {"a": 0, "b renamed": 1, "group": 2, "new": 3}
    assert ids(made) == {"a": 0, "b": 1}


def test_a_used_version_loses_no_class(organization: Organization) -> None:
    made = services.create(organization=organization, name="Cells", tree=["a", "b"])
    services.freeze(made)
    with pytest.raises(TreeErrors, match="b: labels may use this class"):
        services.update(taxonomy=made, tree=["a"])
    assert Taxonomy.objects.filter(name="Cells").count() == 1


def test_a_class_id_is_never_used_again(organization: Organization) -> None:
    made = services.create(organization=organization, name="Cells", tree=["a", "b"])
    services.freeze(made)
    second = services.update(taxonomy=made, tree=["a", "b", "c"])
    third = services.update(taxonomy=second, tree=["a", "b", "d"])
    assert (third.pk, ids(third)) == (second.pk, {"a": 0, "b": 1, "d": 3})


def test_only_the_newest_version_is_edited(organization: Organization) -> None:
    made = services.create(organization=organization, name="Cells", tree=["a"])
    services.freeze(made)
    services.update(taxonomy=made, tree=["a", "b"])
    with pytest.raises(Conflict, match="Version 2"):
        services.update(taxonomy=made, tree=["a", "c"])


def test_an_edit_in_lines_keeps_descriptions_and_attributes(organization: Organization) -> None:
    attribute = {"name": "occluded", "type": "boolean"}
    tree = [{"name": "car", "description": "With four wheels", "attributes": [attribute], "color": 7}]
    made = services.create(organization=organization, name="Roads", tree=tree)
    services.update(taxonomy=made, tree=trees.from_lines("auto [0]\nbus"))
    (car, _) = services.nodes(made)
    assert (car.name, car.description, car.attributes, car.color) == ("auto", "With four wheels", [attribute], 7)


def test_a_used_version_is_not_deleted(organization: Organization) -> None:
    made = services.create(organization=organization, name="Cells", tree=["a"])
    services.freeze(made)
    with pytest.raises(Conflict):
        services.delete(taxonomy=made)
