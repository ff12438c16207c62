"""A project moves to a newer version of its taxonomy, and never loses a class."""

import pytest

from apps.accounts.models import Organization, User
from apps.common.http import Conflict
from apps.projects.models import Project, Stage
from apps.projects.versions import move_to_version, newer_versions
from apps.taxonomies import services as taxonomies
from apps.taxonomies.models import Category, Taxonomy
from apps.warehouse import services as warehouse
from apps.warehouse.models import Labelset


@pytest.fixture
def taxonomy(organization: Organization) -> Taxonomy:
    return taxonomies.create(organization=organization, name="Cells", tree=["RBC", "WBC"])


@pytest.fixture
def labelset(organization: Organization, taxonomy: Taxonomy) -> Labelset:
    return warehouse.create_labelset(organization=organization, name="Final", taxonomy=taxonomy)


@pytest.fixture
def project(organization: Organization, taxonomy: Taxonomy, labelset: Labelset) -> Project:
    project = Project.objects.create(organization=organization, name="Loop", status=Project.Status.READY)
    Stage.objects.create(project=project, name="LABEL", brick="manual-labeling", taxonomy=taxonomy)
    Stage.objects.create(project=project, name="OUTPUT", brick="labelset-output", labelset=labelset)
    return project


def add_class(taxonomy: Taxonomy) -> Taxonomy:
    return taxonomies.update(taxonomy=taxonomy, tree=["RBC", "WBC", "Platelets"])


def test_stages_and_labelset_move_and_the_version_freezes(
    project: Project, taxonomy: Taxonomy, labelset: Labelset
) -> None:
    newer = add_class(taxonomy)
    assert newer_versions(project) == [(taxonomy, [newer])]
    move_to_version(project=project, taxonomy=newer, by=None)
    labelset.refresh_from_db()
    newer.refresh_from_db()
    assert project.stages.get(name="LABEL").taxonomy == newer and labelset.taxonomy == newer
    assert newer.frozen_at is not None and newer_versions(project) == [(newer, [])]


def test_a_version_that_lacks_a_class_is_refused(project: Project, taxonomy: Taxonomy) -> None:
    newer = add_class(taxonomy)
    Category.objects.filter(taxonomy=newer, class_id=1).delete()
    with pytest.raises(Conflict, match=r"lacks classes that labels may use: \[1\]"):
        move_to_version(project=project, taxonomy=newer, by=None)
    assert project.stages.get(name="LABEL").taxonomy == taxonomy


def test_nothing_moves_back_or_to_another_taxonomy(
    organization: Organization, project: Project, taxonomy: Taxonomy
) -> None:
    newer = add_class(taxonomy)
    move_to_version(project=project, taxonomy=newer, by=None)
    with pytest.raises(Conflict, match="only to newer ones"):
        move_to_version(project=project, taxonomy=taxonomy, by=None)
    other = taxonomies.create(organization=organization, name="Roads", tree=["car"])
    with pytest.raises(Conflict, match="does not use"):
        move_to_version(project=project, taxonomy=other, by=None)


def test_a_shared_labelset_keeps_the_project_where_it_is(
    organization: Organization, project: Project, taxonomy: Taxonomy, labelset: Labelset
) -> None:
    reader = Project.objects.create(organization=organization, name="Reader")
    Stage.objects.create(project=reader, name="INPUT", brick="labelset-input", labelset=labelset)
    with pytest.raises(Conflict, match="shared with Reader"):
        move_to_version(project=project, taxonomy=add_class(taxonomy), by=None)


def test_the_settings_offer_the_move_to_managers_alone(
    project: Project, taxonomy: Taxonomy, owner: User, labeler: User, stranger: User, client_of
) -> None:
    newer, url = add_class(taxonomy), f"/o/acme/projects/{project.pk}/taxonomy/"
    assert b"Move to version 2" in client_of(owner).get(url).content
    for who, status in [(labeler, 403), (stranger, 404)]:
        assert client_of(who).get(url).status_code == status
        assert client_of(who).post(url, {"taxonomy": newer.pk}).status_code == status
    for none in ("x", "²", "9" * 5000):
        assert client_of(owner).post(url, {"taxonomy": none}).status_code == 404
    client_of(owner).post(url, {"taxonomy": newer.pk})
    assert project.stages.get(name="LABEL").taxonomy == newer
