"""The warehouse's pages: what they show, to whom, and what they answer to bad input."""

import uuid

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from apps.accounts.models import Organization, User
from apps.labeling.models import Task
from apps.projects.models import Project, Stage
from apps.warehouse.labelset_entries import EntryRow, upsert_entries
from apps.warehouse.models import Datapoint, Import
from tests.warehouse.factory import (
    make_datapoint,
    make_dataset,
    make_label,
    make_labelset,
    make_picture,
    make_rows,
    make_taxonomy,
)


def url(name: str, *args: object) -> str:
    return reverse(f"warehouse:{name}", args=["acme", *args])


@pytest.fixture
def client(owner: User, client_of) -> Client:
    return client_of(owner)


def put_to_work(datapoint: Datapoint) -> Task:
    """The datapoint as a task of a project."""
    project = Project.objects.create(organization=datapoint.dataset.organization, name="Loop")
    stage = Stage.objects.create(project=project, name="INPUT", brick="dataset-input", dataset=datapoint.dataset)
    return Task.objects.create(project=project, stage=stage, datapoint=datapoint)


def test_pages_are_closed_to_strangers_and_labelers(
    organization: Organization, owner: User, stranger: User, labeler: User, client_of
) -> None:
    dataset, labelset = make_dataset(organization), make_labelset(organization)
    point = make_datapoint(dataset)
    upsert_entries(labelset.pk, [EntryRow(point.pk, [], "human")])
    upload = Import.objects.create(dataset=dataset, source="upload")
    pages = [
        url("datasets"), url("dataset", dataset.pk), url("upload", dataset.pk), url("labelsets"),
        url("labelset", labelset.pk), url("datapoint", dataset.pk, point.uid),
        url("entry", labelset.pk, labelset.entries.get().pk), url("labelset-export", labelset.pk),
    ]  # fmt: skip
    posts = [
        url("datasets"), url("labelsets"), url("begin-upload", dataset.pk), url("upload-file", upload.pk),
        url("edit-dataset", dataset.pk), url("delete-labelset", labelset.pk),
    ]  # fmt: skip
    for who, status in [(stranger, 404), (labeler, 403)]:
        assert {page: client_of(who).get(page).status_code for page in pages} == dict.fromkeys(pages, status)
        assert {post: client_of(who).post(post).status_code for post in posts} == dict.fromkeys(posts, status)
    assert {page: Client().get(page).status_code for page in pages} == dict.fromkeys(pages, 302)


def test_objects_of_another_organization_are_404(organization: Organization, client: Client, stranger: User) -> None:
    other = Organization.objects.get(slug="other")
    dataset, labelset = make_dataset(other), make_labelset(other)
    point = make_datapoint(dataset)
    pages = [
        url("dataset", dataset.pk), url("upload", dataset.pk), url("labelset", labelset.pk),
        url("datapoint", dataset.pk, point.uid), url("datapoint-image", point.uid),
        url("datapoint-thumbnail", point.uid), url("labelset-export", labelset.pk),
    ]  # fmt: skip
    assert {page: client.get(page).status_code for page in pages} == dict.fromkeys(pages, 404)


def test_an_image_is_streamed_with_its_type_and_kept_private(organization: Organization, client: Client) -> None:
    point = make_datapoint(make_dataset(organization))
    response = client.get(url("datapoint-image", point.uid))
    assert response.status_code == 200 and b"".join(response.streaming_content) == make_picture()
    assert response["Content-Type"] == "image/jpeg"
    assert response["X-Content-Type-Options"] == "nosniff" and response["Cache-Control"].startswith("private")
    again = client.get(url("datapoint-image", point.uid), headers={"If-None-Match": response["ETag"]})
    assert again.status_code == 304
    small = client.get(url("datapoint-thumbnail", point.uid))
    assert small["Content-Type"] == "image/jpeg" and small["ETag"] != response["ETag"]


def test_a_labeler_sees_only_images_at_work(organization: Organization, labeler: User, client_of) -> None:
    point = make_datapoint(make_dataset(organization))
    client = client_of(labeler)
    assert client.get(url("datapoint-image", point.uid)).status_code == 404
    put_to_work(point)
    assert client.get(url("datapoint-image", point.uid)).status_code == 200
    assert client.get(url("datapoint-thumbnail", point.uid)).status_code == 200


def test_an_image_is_404_to_a_stranger_and_302_to_nobody(organization: Organization, stranger: User, client_of) -> None:
    point = make_datapoint(make_dataset(organization))
    put_to_work(point)
    assert client_of(stranger).get(url("datapoint-image", point.uid)).status_code == 404
    assert Client().get(url("datapoint-image", point.uid)).status_code == 302


def test_an_image_whose_file_is_gone_is_404(organization: Organization, client: Client) -> None:
    (point,) = make_rows(make_dataset(organization), 1)
    assert client.get(url("datapoint-image", point.uid)).status_code == 404
    assert client.get(url("datapoint-image", uuid.uuid4())).status_code == 404


def test_a_tiff_is_shown_as_its_rendition(organization: Organization, client: Client) -> None:
    point = make_datapoint(make_dataset(organization), "a.tif", format="TIFF")
    assert client.get(url("datapoint-image", point.uid))["Content-Type"] == "image/jpeg"


def test_files_are_uploaded_one_a_request(organization: Organization, client: Client) -> None:
    dataset = make_dataset(organization)
    files = client.post(url("begin-upload", dataset.pk)).json()["files"]
    good = client.post(files, {"name": "a.jpg", "file": SimpleUploadedFile("a.jpg", make_picture())})
    assert good.status_code == 201 and good.json()["name"] == "a.jpg"
    twice = client.post(files, {"name": "a.jpg", "file": SimpleUploadedFile("a.jpg", make_picture())})
    assert twice.status_code == 422 and "already" in twice.json()["reason"]
    bad = client.post(files, {"name": "b.jpg", "file": SimpleUploadedFile("b.jpg", b"text")})
    assert bad.status_code == 422 and bad.json() == {"name": "b.jpg", "reason": bad.json()["reason"]}
    empty = client.post(files, {"name": "c.jpg", "file": SimpleUploadedFile("c.jpg", b"")})
    assert empty.status_code == 422 and "empty" in empty.json()["reason"]
    assert client.post(files, {"name": "d.jpg"}).status_code == 422
    row = Import.objects.get()
    assert (row.created, row.failed) == (1, 3)


def test_a_file_over_the_limit_is_413(organization: Organization, client: Client, settings) -> None:
    settings.UPLOAD_LIMIT_BYTES = 100
    files = client.post(url("begin-upload", make_dataset(organization).pk)).json()["files"]
    response = client.post(files, {"name": "a.jpg", "file": SimpleUploadedFile("a.jpg", make_picture())})
    assert response.status_code == 413 and not Datapoint.objects.exists()


def test_a_dataset_is_made_from_its_dialog(organization: Organization, client: Client) -> None:
    response = client.post(url("datasets"), {"name": "Cells"})
    dataset = organization.datasets.get()
    assert response["Location"] == url("upload", dataset.pk)
    twice = client.post(url("datasets"), {"name": "Cells"})
    assert twice.status_code == 422 and b"there already" in twice.content


def test_a_labelset_is_made_from_its_dialog(organization: Organization, client: Client) -> None:
    taxonomy = make_taxonomy(organization)
    response = client.post(url("labelsets"), {"name": "Final", "taxonomy": taxonomy.pk})
    assert response["Location"] == url("labelset", organization.labelsets.get().pk)
    assert client.post(url("labelsets"), {"name": "Other", "taxonomy": 999_999}).status_code == 422


def test_a_dataset_is_paged_by_key_in_both_directions(organization: Organization, client: Client) -> None:
    dataset = make_dataset(organization)
    make_rows(dataset, 150)

    def names(query: str) -> tuple[list[str], str, str]:
        context = client.get(url("dataset", dataset.pk) + query).context
        return [row.name for row in context["page"].rows], context["links"]["previous"], context["links"]["next"]

    first, previous, following = names("")
    assert (first[0], first[-1], previous) == ("row-00000.jpg", "row-00059.jpg", "")
    second, back, following = names(following)
    assert (second[0], second[-1]) == ("row-00060.jpg", "row-00119.jpg")
    third, _, end = names(following)
    assert (len(third), end) == (30, "")
    assert names(back)[0] == first


def test_datapoints_are_searched_and_filtered(organization: Organization, client: Client) -> None:
    dataset = make_dataset(organization)
    rows = make_rows(dataset, 12)
    labelset = make_labelset(organization)
    upsert_entries(labelset.pk, [EntryRow(rows[3].pk, [], "human")])
    Datapoint.objects.filter(pk=rows[5].pk).update(error="The file is empty.")

    def shown(**query: str) -> list[str]:
        response = client.get(url("dataset", dataset.pk), query, headers={"HX-Request": "true"})
        assert b"<html" not in response.content
        return [row.name for row in response.context["page"].rows]

    assert shown(q="00001") == ["row-00001.jpg"]
    assert shown(q="ROW-0001") == ["row-00010.jpg", "row-00011.jpg"]
    assert shown(state="labeled") == ["row-00003.jpg"]
    assert len(shown(state="unlabeled")) == 11
    assert shown(state="failed", view="list") == ["row-00005.jpg"]
    assert len(shown(state="nonsense")) == 12


def test_datapoints_are_filtered_by_the_import_that_brought_them(organization: Organization, client: Client) -> None:
    dataset = make_dataset(organization)
    make_datapoint(dataset, "alone.jpg")
    batch = Import.objects.create(dataset=dataset, source="zip")
    Import.objects.bulk_create(Import(dataset=dataset, source="upload") for _ in range(101))
    point = make_datapoint(dataset, "together.jpg")
    Datapoint.objects.filter(pk=point.pk).update(import_row=batch)
    page = client.get(f"/o/acme/datasets/{dataset.pk}/?batch={batch.pk}").content.decode()
    assert "together.jpg" in page and "alone.jpg" not in page
    assert f'<option value="{batch.pk}" selected>ZIP archive {batch.pk}' in page
    other = Import.objects.create(dataset=make_dataset(organization, "Other"), source="zip")
    page = client.get(f"/o/acme/datasets/{dataset.pk}/?batch={other.pk}").content.decode()
    assert "alone.jpg" in page and f'value="{other.pk}"' not in page


def test_the_viewer_knows_its_neighbors_within_the_filter(organization: Organization, client: Client) -> None:
    dataset = make_dataset(organization)
    rows = make_rows(dataset, 12)
    found = client.get(url("datapoint", dataset.pk, rows[10].uid), {"q": "-0001"})
    assert (found.context["previous"], found.context["next"]) == (None, rows[11])
    plain = client.get(url("datapoint", dataset.pk, rows[4].uid))
    assert (plain.context["previous"], plain.context["next"]) == (rows[3], rows[5])


def test_a_labelset_shows_its_boxes_and_provenance(organization: Organization, owner: User, client: Client) -> None:
    labelset, points = make_labelset(organization), make_rows(make_dataset(organization), 2)
    boxes = [make_label(0, [0.1, 0.5, 0.2, 0.25], source="model", confidence=0.75)]
    upsert_entries(labelset.pk, [EntryRow(points[0].pk, boxes, "model", confidence=0.6, cycle=2)])
    upsert_entries(labelset.pk, [EntryRow(points[1].pk, [], "human", author_id=owner.pk)])
    response = client.get(url("labelset", labelset.pk))
    text = response.content.decode()
    assert '<rect x="10.0" y="40.0" width="20.0" height="20.0">' in text and "car 0.75" in text
    figures = response.context["figures"]
    assert (figures["images"], figures["boxes"], figures["human"], figures["model"], figures["empty"]) == (
        2,
        1,
        1,
        1,
        1,
    )
    second = client.get(url("entry", labelset.pk, labelset.entries.get(source="human").pk))
    assert b"Nothing here" in second.content and b"<html" not in second.content


def test_a_labelset_is_deleted_only_by_its_typed_name(organization: Organization, client: Client) -> None:
    labelset = make_labelset(organization)
    client.post(url("delete-labelset", labelset.pk), {"confirmation": "final"})
    assert organization.labelsets.exists()
    client.post(url("delete-labelset", labelset.pk), {"confirmation": "Final"})
    assert not organization.labelsets.exists()


def test_a_dataset_is_renamed_unless_the_name_is_taken(organization: Organization, client: Client) -> None:
    dataset = make_dataset(organization, "Cells")
    make_dataset(organization, "Roads")
    client.post(url("edit-dataset", dataset.pk), {"name": "Blood cells", "description": "x"})
    dataset.refresh_from_db()
    assert (dataset.name, dataset.description) == ("Blood cells", "x")
    client.post(url("edit-dataset", dataset.pk), {"name": "Roads"})
    dataset.refresh_from_db()
    assert dataset.name == "Blood cells"
