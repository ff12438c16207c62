"""Datasets and labelsets: created once, filled by upload, each bad file told by name and reason."""

import io

import pytest
from django.core.exceptions import ValidationError
from django.core.files.storage import default_storage

from apps.accounts.models import Organization, User
from apps.common.http import Conflict
from apps.projects.models import Project, Stage
from apps.warehouse import services
from apps.warehouse.models import Datapoint
from apps.warehouse.services import TooLarge, UploadError
from apps.warehouse.signals import datapoints_added
from tests.warehouse.factory import make_datapoint, make_dataset, make_labelset, make_picture, make_taxonomy


def test_an_uploaded_picture_becomes_a_datapoint(organization: Organization) -> None:
    dataset = make_dataset(organization)
    made = make_datapoint(dataset, "folder/a.jpg", width=40, height=30, orientation=6)
    stored = Datapoint.objects.get(pk=made.pk)
    assert (stored.name, stored.width, stored.height) == ("folder/a.jpg", 30, 40)
    assert default_storage.open(stored.path).read() == make_picture(40, 30, orientation=6)
    assert default_storage.exists(stored.thumbnail)
    assert stored.storage.provider == "WINNOW"


def test_a_tiff_gets_a_rendition_that_browsers_show(organization: Organization) -> None:
    made = make_datapoint(make_dataset(organization), "a.tif", format="TIFF")
    assert made.rendition.endswith(".jpg") and default_storage.exists(made.rendition)


def test_a_name_twice_is_told_and_leaves_no_file(organization: Organization, owner: User) -> None:
    dataset = make_dataset(organization)
    row = services.begin_upload(dataset=dataset, by=owner)
    first = services.add_upload(dataset=dataset, file=io.BytesIO(make_picture()), name="a.jpg", import_row=row)
    with pytest.raises(UploadError, match="already"):
        services.add_upload(dataset=dataset, file=io.BytesIO(make_picture()), name="a.jpg", import_row=row)
    row.refresh_from_db()
    assert (row.created, row.failed) == (1, 1)
    assert [(each.name, "already" in each.reason) for each in row.failures.all()] == [("a.jpg", True)]
    assert default_storage.listdir(f"datasets/{dataset.pk}")[1] == [first.path.rsplit("/", 1)[1]]


@pytest.mark.parametrize("data", [b"", b"text", make_picture(300, 300)[:700]], ids=["empty", "text", "truncated"])
def test_a_bad_file_keeps_nothing(organization: Organization, data: bytes) -> None:
    dataset = make_dataset(organization)
    with pytest.raises(UploadError):
        services.add_upload(dataset=dataset, file=io.BytesIO(data), name="a.jpg")
    assert not dataset.datapoints.exists()
    assert not default_storage.exists(f"datasets/{dataset.pk}")


def test_a_file_over_the_limit_is_told(organization: Organization, settings) -> None:
    settings.UPLOAD_LIMIT_BYTES = 100
    with pytest.raises(TooLarge, match="larger than"):
        make_datapoint(make_dataset(organization))


def test_who_listens_hears_of_new_datapoints_after_commit(
    organization: Organization, django_capture_on_commit_callbacks
) -> None:
    dataset, heard = make_dataset(organization), []

    def listen(dataset_id: int, **_: object) -> None:
        heard.append(dataset_id)

    datapoints_added.connect(listen)
    try:
        with django_capture_on_commit_callbacks(execute=True):
            make_datapoint(dataset)
            assert heard == []
    finally:
        datapoints_added.disconnect(listen)
    assert heard == [dataset.pk]


def test_a_name_is_used_once_an_organization(organization: Organization) -> None:
    make_dataset(organization, "Cells")
    with pytest.raises(ValidationError, match="already"):
        make_dataset(organization, " Cells ")


def test_a_labelset_freezes_its_taxonomy(organization: Organization) -> None:
    taxonomy = make_taxonomy(organization)
    assert taxonomy.frozen_at is None
    make_labelset(organization, taxonomy)
    taxonomy.refresh_from_db()
    assert taxonomy.frozen_at is not None


def test_a_labelset_takes_no_taxonomy_of_another_organization(organization: Organization, stranger: User) -> None:
    other = make_taxonomy(Organization.objects.get(slug="other"))
    with pytest.raises(ValidationError, match="not of this organization"):
        make_labelset(organization, other)


def test_a_labelset_in_use_cannot_be_deleted(organization: Organization) -> None:
    labelset = make_labelset(organization)
    project = Project.objects.create(organization=organization, name="Loop")
    Stage.objects.create(project=project, name="OUTPUT", brick="labelset-output", labelset=labelset)
    with pytest.raises(Conflict, match="Loop"):
        services.delete_labelset(labelset=labelset, by=None)
