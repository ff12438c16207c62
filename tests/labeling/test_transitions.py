"""A task's life: every verb, its guard, its event."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

import pytest
from django.utils import timezone

from apps.accounts.models import Membership, Organization, User
from apps.autolabel.models import Cycle
from apps.common.http import Conflict
from apps.labeling import transitions
from apps.labeling.models import Annotation, Batch, Comment, Draft, Prelabel, Task, TaskEvent
from apps.labeling.selection import opening, recent, take_next
from apps.labeling.transitions import Source
from apps.projects.models import Project
from apps.taxonomies.labels import LabelErrors
from apps.warehouse.models import LabelsetEntry
from tests.labeling.factory import add_datapoints, label_one, make_box, make_plant, take_one


def verbs(task: Task) -> list[str]:
    return list(TaskEvent.objects.filter(task=task).order_by("id").values_list("verb", flat=True))


def test_creating_a_project_makes_one_task_a_datapoint_with_one_event(organization: Organization) -> None:
    plant = make_plant(organization, 7, "autolabel")
    tasks = plant.tasks("ACTIVE_LEARNING")
    assert len(tasks) == 7
    assert {task.state for task in tasks} == {"waiting"}
    event = TaskEvent.objects.get(task=tasks[0])
    assert (event.verb, event.from_stage, event.to_stage, event.path) == (
        "created",
        "INPUT",
        "ACTIVE_LEARNING",
        ["TYPECAST"],
    )


def test_creating_again_makes_nothing_twice(organization: Organization) -> None:
    plant = make_plant(organization, 5)
    add_datapoints(plant.dataset, 3)
    chunks = [transitions.create_tasks(stage=plant.stage("INPUT"), size=4)]
    while not chunks[-1].is_last:
        chunks.append(transitions.create_tasks(stage=plant.stage("INPUT"), after=chunks[-1].last, size=4))
    assert [chunk.made for chunk in chunks] == [0, 3, 0]
    assert Task.objects.count() == TaskEvent.objects.count() == 8


def test_an_unreadable_datapoint_becomes_no_task(organization: Organization) -> None:
    plant = make_plant(organization, 1)
    [bad] = add_datapoints(plant.dataset, 1)
    bad.error = "truncated"
    bad.save(update_fields=["error"])
    assert transitions.create_tasks(stage=plant.stage("INPUT")).made == 0


def test_a_submit_writes_the_labelset_entry(organization: Organization, labeler: User) -> None:
    plant = make_plant(organization, 1)
    task = label_one(plant.stage("LABEL"), labeler, [make_box(1)])
    assert (task.stage.name, task.state, task.assignee_id, task.leased_until) == ("OUTPUT", "done", None, None)
    entry = LabelsetEntry.objects.get()
    assert (entry.labelset_id, entry.datapoint_id, entry.source) == (plant.labelset.pk, task.datapoint_id, "human")
    assert (entry.task_uid, entry.author_id, entry.class_ids, entry.box_count) == (task.uid, labeler.pk, [1], 1)
    assert verbs(task) == ["created", "assigned", "submitted"]


def test_an_empty_submit_says_nothing_is_here(organization: Organization, labeler: User) -> None:
    plant = make_plant(organization, 1)
    task = label_one(plant.stage("LABEL"), labeler, [])
    assert task.annotation is not None and task.annotation.labels == []
    assert LabelsetEntry.objects.get().labels == []


def test_a_submit_passes_through_feedback_into_the_training_set(organization: Organization, labeler: User) -> None:
    plant = make_plant(organization, 2, "autolabel")
    send(plant, 1)
    task = label_one(plant.stage("LABEL"), labeler)
    assert (task.stage.name, task.state, task.in_training_set) == ("ACTIVE_LEARNING", "done", True)
    assert TaskEvent.objects.filter(task=task).latest("id").path == ["FEEDBACK"]
    assert Task.objects.filter(stage=plant.stage("ACTIVE_LEARNING"), state="waiting").count() == 1


def send(plant, count: int, **more) -> Batch:
    stage = plant.stage("ACTIVE_LEARNING")
    number = Batch.objects.filter(stage=stage).count() + 1
    batch = Batch.objects.create(stage=stage, number=number, size=count)
    ids = list(Task.objects.filter(stage=stage, state="waiting").order_by("-pk").values_list("pk", flat=True)[:count])
    transitions.send(stage=stage, batch=batch, task_ids=ids, by=None, **more)
    return batch


PREDICTED = Source(
    """SELECT t.id AS task_id, '[{"id": "p1", "category": 0, "bbox": [0.1, 0.2, 0.3, 0.4], "source": "model",
       "confidence": 0.5}]'::jsonb AS labels, 0.5 AS confidence, 3 AS cycle FROM labeling_task t""",
)


def test_a_batch_keeps_its_order_and_its_frozen_predictions(organization: Organization, labeler: User) -> None:
    plant = make_plant(organization, 5, "autolabel")
    batch = send(plant, 3, prelabels=PREDICTED)
    ids = list(Task.objects.filter(batch=batch).order_by("position").values_list("pk", flat=True))
    assert ids == sorted(ids, reverse=True) and len(ids) == 3
    assert [task.pk for task in take_next(stage=plant.stage("LABEL"), user=labeler)] == ids
    task = take_one(plant.stage("LABEL"), labeler)
    opened = opening(task, labeler)
    assert (opened.origin, opened.labels[0]["id"], opened.labels) == ("prelabel", "p1", opened.prelabels)


def test_an_audit_opens_blind_and_is_held_out(organization: Organization, labeler: User) -> None:
    plant = make_plant(organization, 1, "autolabel")
    [known] = plant.tasks("ACTIVE_LEARNING")
    send(plant, 1, prelabels=PREDICTED, audits=[known.pk])
    task = take_one(plant.stage("LABEL"), labeler)
    opened = opening(task, labeler)
    assert (opened.origin, opened.labels, opened.prelabels) == ("", [], [])
    assert task.is_audit and task.is_held_out and Prelabel.objects.filter(task=task).exists()
    done = submit(task, labeler, [make_box(0) | {"from": "p1"}])
    assert done.annotation is not None
    assert done.annotation.edits is None and "from" not in done.annotation.labels[0]


def test_edits_are_counted_on_the_server_against_the_frozen_prediction(
    organization: Organization, labeler: User
) -> None:
    plant = make_plant(organization, 1, "autolabel")
    send(plant, 1, prelabels=PREDICTED)
    task = take_one(plant.stage("LABEL"), labeler)
    done = submit(task, labeler, [make_box(0) | {"from": "p1"}, make_box(2, x=0.5) | {"from": "made up"}])
    assert done.annotation is not None and done.annotation.edits is not None
    assert {key: done.annotation.edits[key] for key in ("kept", "added", "deleted")} == {
        "kept": 1,
        "added": 1,
        "deleted": 0,
    }


def submit(task: Task, user: User, labels: list) -> Task:
    return transitions.submit(task_id=task.uid, user=user, labels=labels, seconds=2, revision=task.revision)


@pytest.mark.parametrize(
    ("project", "asked", "kept"), [("drop", None, [1]), ("accept", None, [0, 1]), ("ask", "drop", [1])]
)
def test_undecided_prelabels_become_what_the_project_or_the_submit_says(
    organization: Organization, labeler: User, project: str, asked: str | None, kept: list[int]
) -> None:
    plant = make_plant(organization, 1, "autolabel")
    Project.objects.update(undecided=project)
    send(plant, 1, prelabels=PREDICTED)
    task = take_one(plant.stage("LABEL"), labeler)
    labels = [make_box(0, source="model") | {"id": "p1"}, make_box(1, x=0.5)]
    done = transitions.submit(
        task_id=task.uid, user=labeler, labels=labels, seconds=2, revision=task.revision, undecided=asked
    )
    assert done.annotation is not None and done.annotation.edits is not None
    assert [label["category"] for label in done.annotation.labels] == kept
    assert {label.get("from", "") for label in done.annotation.labels} == ({"p1", ""} if 0 in kept else {""})
    assert done.annotation.edits["deleted"] == (0 not in kept)


def test_a_save_keeps_the_work_and_the_task(organization: Organization, labeler: User) -> None:
    plant = make_plant(organization, 1)
    task = take_one(plant.stage("LABEL"), labeler)
    saved = transitions.save(task_id=task.uid, user=labeler, labels=[make_box(2)], seconds=4, revision=task.revision)
    assert (saved.state, saved.revision) == ("in_progress", task.revision + 1)
    again = transitions.save(task_id=task.uid, user=labeler, labels=[], seconds=5, revision=saved.revision)
    assert verbs(task).count("saved") == 1
    opened = opening(again, labeler)
    assert (opened.origin, opened.labels, opened.seconds) == ("draft", [], 5)
    submit(again, labeler, [])
    assert not Draft.objects.exists()


def test_a_stale_submit_is_refused_and_nothing_changes(organization: Organization, labeler: User) -> None:
    plant = make_plant(organization, 1)
    task = take_one(plant.stage("LABEL"), labeler)
    transitions.save(task_id=task.uid, user=labeler, labels=[], seconds=1, revision=task.revision)
    with pytest.raises(Conflict) as caught:
        submit(task, labeler, [make_box()])
    assert caught.value.state["revision"] == task.revision + 1
    assert not Annotation.objects.exists()


@pytest.mark.parametrize(
    "box",
    [
        {"bbox": [0.1, 0.1, 0, 0.1]},
        {"bbox": [float("nan"), 0.1, 0.1, 0.1]},
        {"bbox": [0.9, 0.9, 0.5, 0.5]},
        {"category": 17},
    ],
)
def test_bad_labels_are_refused_and_nothing_changes(organization: Organization, labeler: User, box: dict) -> None:
    plant = make_plant(organization, 1)
    task = take_one(plant.stage("LABEL"), labeler)
    with pytest.raises(LabelErrors):
        submit(task, labeler, [make_box() | box])
    task.refresh_from_db()
    assert (task.stage.name, task.state) == ("LABEL", "assigned")
    assert not Annotation.objects.exists()


def test_only_the_holder_may_submit_or_save(organization: Organization, labeler: User, admin: User) -> None:
    plant = make_plant(organization, 1)
    task = take_one(plant.stage("LABEL"), labeler)
    with pytest.raises(Conflict):
        submit(task, admin, [])
    with pytest.raises(Conflict):
        transitions.save(task_id=task.uid, user=admin, labels=[], seconds=0, revision=task.revision)


def test_submitting_twice_counts_once(organization: Organization, labeler: User) -> None:
    plant = make_plant(organization, 1)
    task = take_one(plant.stage("LABEL"), labeler)
    submit(task, labeler, [])
    with pytest.raises(Conflict):
        submit(task, labeler, [])
    assert Annotation.objects.count() == LabelsetEntry.objects.count() == 1


def test_a_skipped_task_comes_last_and_anybody_may_have_it(organization: Organization, labeler: User) -> None:
    plant = make_plant(organization, 3)
    stage = plant.stage("LABEL")
    first = take_one(stage, labeler)
    skipped = transitions.skip(task_id=first.uid, user=labeler, reason="too dark")
    assert (skipped.state, skipped.assignee) == ("waiting", None)
    assert take_next(stage=stage, user=labeler)[-1].pk == first.pk
    done = submit(take_next(stage=stage, user=labeler)[-1], labeler, [])
    assert done.pk == first.pk and done.priority == 0


def test_a_problem_is_given_to_nobody_until_it_is_resolved(
    organization: Organization, labeler: User, admin: User
) -> None:
    plant = make_plant(organization, 1)
    stage = plant.stage("LABEL")
    task = take_one(stage, labeler)
    transitions.report_problem(task_id=task.uid, user=labeler, text="upside down")
    assert take_next(stage=stage, user=labeler) == take_next(stage=stage, user=admin) == []
    transitions.resolve_problem(task_id=task.uid, by=admin, text="label it as it is")
    assert take_next(stage=stage, user=admin) == []
    assert take_one(stage, labeler).pk == task.pk
    assert [comment.author for comment in Comment.objects.filter(resolved_at=None)] == [admin]
    with pytest.raises(Conflict):
        transitions.resolve_problem(task_id=task.uid, by=admin)


def test_a_released_task_goes_to_the_next_who_asks(organization: Organization, labeler: User, admin: User) -> None:
    plant = make_plant(organization, 1)
    stage = plant.stage("LABEL")
    task = take_one(stage, labeler)
    assert take_next(stage=stage, user=admin) == []
    assert transitions.release(task_ids=[task.uid], by=admin) == 0
    assert transitions.release(task_ids=[task.uid], by=admin, anybodys=True) == 1
    assert take_one(stage, admin).pk == task.pk


def test_a_reassigned_task_is_on_top_for_one_and_hidden_from_others(
    organization: Organization, labeler: User, admin: User
) -> None:
    plant = make_plant(organization, 3)
    stage = plant.stage("LABEL")
    last = plant.tasks("LABEL")[-1]
    assert transitions.reassign(task_ids=[last.uid], to=labeler, by=admin) == 1
    assert last.pk not in [task.pk for task in take_next(stage=stage, user=admin, count=1)]
    assert take_next(stage=stage, user=labeler)[0].pk == last.pk


def test_the_last_submit_can_be_undone_with_the_work_in_the_draft(organization: Organization, labeler: User) -> None:
    plant = make_plant(organization, 1)
    done = label_one(plant.stage("LABEL"), labeler, [make_box(2)])
    task = transitions.reopen(task_id=done.uid, user=labeler)
    assert (task.stage.name, task.state, task.annotation) == ("LABEL", "in_progress", None)
    assert opening(task, labeler).labels[0]["category"] == 2
    assert not LabelsetEntry.objects.exists()
    submit(task, labeler, [make_box(1)])
    assert LabelsetEntry.objects.get().class_ids == [1]


def test_nobody_undoes_what_another_submitted(organization: Organization, labeler: User, admin: User) -> None:
    plant = make_plant(organization, 1)
    done = label_one(plant.stage("LABEL"), labeler)
    with pytest.raises(Conflict):
        transitions.reopen(task_id=done.uid, user=admin)


def test_a_submit_that_is_under_review_can_no_longer_be_undone(
    organization: Organization, labeler: User, admin: User
) -> None:
    plant = make_plant(organization, 1, "label-review")
    done = label_one(plant.stage("LABEL"), labeler)
    take_one(plant.stage("REVIEW"), admin)
    with pytest.raises(Conflict):
        transitions.reopen(task_id=done.uid, user=labeler)


def test_a_submit_that_a_cycle_has_used_can_no_longer_be_undone(organization: Organization, labeler: User) -> None:
    plant = make_plant(organization, 2, "autolabel")
    send(plant, 2)
    first, second = (label_one(plant.stage("LABEL"), labeler) for _ in range(2))
    assert first.annotation is not None
    Cycle.objects.create(stage=plant.stage("ACTIVE_LEARNING"), number=1, last_annotation=first.annotation.pk)
    with pytest.raises(Conflict, match="Cycle 1 has learned from it"):
        transitions.reopen(task_id=first.uid, user=labeler)
    again = transitions.reopen(task_id=second.uid, user=labeler)
    assert (again.stage.name, again.in_training_set) == ("LABEL", False)


def test_rejected_work_returns_to_its_labeler_on_top(organization: Organization, labeler: User, admin: User) -> None:
    plant = make_plant(organization, 3, "label-review")
    label, review = plant.stage("LABEL"), plant.stage("REVIEW")
    done = label_one(label, labeler, [make_box(1)])
    task = take_one(review, admin)
    back = transitions.reject(
        task_id=task.uid, user=admin, comment="the nut is missing", seconds=2, revision=task.revision
    )
    assert (back.stage.name, back.reserved_for, back.state) == ("LABEL", labeler, "waiting")
    assert done.pk not in [each.pk for each in take_next(stage=label, user=admin)]
    again = take_next(stage=label, user=labeler)[0]
    opened = opening(again, labeler)
    assert (again.pk, opened.origin, opened.labels[0]["category"]) == (done.pk, "annotation", 1)
    fixed = submit(again, labeler, [make_box(1), make_box(2, x=0.5)])
    final = take_one(review, admin)
    accepted = transitions.accept(task_id=final.uid, user=admin, seconds=1, revision=final.revision)
    assert (fixed.stage.name, accepted.stage.name) == ("REVIEW", "OUTPUT")
    assert verbs(accepted)[-5:] == ["rejected", "assigned", "submitted", "assigned", "accepted"]
    entry = LabelsetEntry.objects.get()
    assert (entry.author_id, entry.box_count) == (labeler.pk, 2)


def test_a_draft_does_not_undo_what_was_submitted_since(organization: Organization, labeler: User, admin: User) -> None:
    plant = make_plant(organization, 1)
    label, long_ago = plant.stage("LABEL"), timezone.now() - timedelta(hours=2)
    [mine] = take_next(stage=label, user=labeler)
    transitions.save(task_id=mine.uid, user=labeler, labels=[make_box(0)], seconds=1, revision=mine.revision)
    Task.objects.update(leased_until=long_ago)
    assert opening(take_one(label, labeler), labeler).origin == "draft"
    Task.objects.update(leased_until=long_ago)
    done = submit(take_one(label, admin), admin, [make_box(1)])
    transitions.move_to(task_ids=[done.uid], stage=label, by=admin)
    opened = opening(take_one(label, labeler), labeler)
    assert (opened.origin, [each["category"] for each in opened.labels]) == ("annotation", [1])


@pytest.mark.parametrize("verdict", ["accept", "reject"])
def test_a_verdict_ends_the_draft_of_the_reviewer(
    organization: Organization, labeler: User, admin: User, verdict: str
) -> None:
    plant = make_plant(organization, 1, "label-review")
    label_one(plant.stage("LABEL"), labeler, [make_box(1)])
    task = take_one(plant.stage("REVIEW"), admin)
    task = transitions.save(task_id=task.uid, user=admin, labels=[make_box(2)], seconds=1, revision=task.revision)
    if verdict == "accept":
        transitions.accept(task_id=task.uid, user=admin, seconds=1, revision=task.revision)
    else:
        transitions.reject(task_id=task.uid, user=admin, comment="No.", seconds=1, revision=task.revision)
    assert not Draft.objects.exists()


def test_a_rejection_needs_a_reason(organization: Organization, labeler: User) -> None:
    plant = make_plant(organization, 1, "label-review")
    label_one(plant.stage("LABEL"), labeler)
    task = take_one(plant.stage("REVIEW"), labeler)
    with pytest.raises(Conflict):
        transitions.reject(task_id=task.uid, user=labeler, comment="  ", seconds=2, revision=task.revision)


def test_a_reviewer_who_edits_becomes_the_author(organization: Organization, labeler: User, admin: User) -> None:
    plant = make_plant(organization, 1, "label-review")
    label_one(plant.stage("LABEL"), labeler, [make_box(1)])
    task = take_one(plant.stage("REVIEW"), admin)
    done = transitions.accept(
        task_id=task.uid, user=admin, seconds=1, revision=task.revision, labels=[make_box(1), make_box(0, x=0.6)]
    )
    assert verbs(done)[-1] == "corrected"
    entry = LabelsetEntry.objects.get()
    assert (entry.author_id, entry.box_count) == (admin.pk, 2)


def test_a_reviewer_edits_only_where_the_stage_allows_it(organization: Organization, labeler: User) -> None:
    plant = make_plant(organization, 1, "label-review", allow_edit=False)
    label_one(plant.stage("LABEL"), labeler, [make_box(1)])
    task = take_one(plant.stage("REVIEW"), labeler)
    with pytest.raises(Conflict):
        transitions.accept(task_id=task.uid, user=labeler, seconds=1, revision=task.revision, labels=[])
    same = opening(task, labeler).labels
    done = transitions.accept(task_id=task.uid, user=labeler, seconds=1, revision=task.revision, labels=same)
    assert verbs(done)[-1] == "accepted"


def test_a_sampled_review_lets_the_rest_pass(organization: Organization, labeler: User) -> None:
    plant = make_plant(organization, 40, "label-review", sample=0.5)
    for _ in range(40):
        label_one(plant.stage("LABEL"), labeler)
    held, passed = len(plant.tasks("REVIEW")), plant.tasks("OUTPUT")
    assert held + len(passed) == 40 and 8 <= held <= 32
    assert TaskEvent.objects.filter(task=passed[0]).latest("id").path == ["REVIEW"]


def test_a_recalled_batch_returns_its_unlabeled_rest(organization: Organization, labeler: User, admin: User) -> None:
    plant = make_plant(organization, 6, "autolabel")
    batch = send(plant, 4, prelabels=PREDICTED)
    label = plant.stage("LABEL")
    label_one(label, labeler)
    kept = take_one(label, labeler)
    transitions.save(task_id=kept.uid, user=labeler, labels=[], seconds=1, revision=kept.revision)
    assert transitions.recall(batch=batch, by=admin) == 2
    assert [task.pk for task in plant.tasks("LABEL")] == [kept.pk]
    waiting = Task.objects.filter(stage=plant.stage("ACTIVE_LEARNING"), state="waiting")
    assert waiting.count() == 4 and not waiting.exclude(batch=None).exists()
    assert not Prelabel.objects.filter(task__in=waiting).exists()


def test_a_flush_writes_auto_labels_with_their_provenance(organization: Organization, labeler: User) -> None:
    plant = make_plant(organization, 4, "autolabel")
    send(plant, 1)
    label_one(plant.stage("LABEL"), labeler)
    stage = plant.stage("ACTIVE_LEARNING")
    ids = [task.pk for task in plant.tasks("ACTIVE_LEARNING")]
    some = Source(PREDICTED.sql + " WHERE t.id = ANY(%s)", [ids[:2]])
    assert transitions.flush_move(stage=stage, task_ids=ids, by=None) == 1
    assert transitions.flush_move(stage=stage, task_ids=ids, by=None, auto_labels=some) == 2
    assert transitions.flush_move(stage=stage, task_ids=ids, by=None, auto_labels=some) == 0
    entries = LabelsetEntry.objects.order_by("source")
    assert [(entry.source, entry.confidence, entry.cycle, entry.author_id) for entry in entries] == [
        ("human", None, None, labeler.pk),
        ("model", 0.5, 3, None),
        ("model", 0.5, 3, None),
    ]
    assert [task.state for task in plant.tasks("ACTIVE_LEARNING")] == ["waiting"]
    assert Task.objects.filter(in_training_set=True).count() == 1


def test_a_label_that_arrives_after_a_flush_waits_for_the_next(organization: Organization, labeler: User) -> None:
    plant = make_plant(organization, 2, "autolabel")
    send(plant, 1)
    stage = plant.stage("ACTIVE_LEARNING")
    transitions.flush_move(stage=stage, task_ids=[t.pk for t in plant.tasks("ACTIVE_LEARNING")], by=None)
    late = label_one(plant.stage("LABEL"), labeler)
    assert (late.stage.name, late.state) == ("ACTIVE_LEARNING", "done")
    assert transitions.flush_move(stage=stage, task_ids=[late.pk], by=None) == 1


def test_programs_label_only_where_programs_work(organization: Organization, admin: User) -> None:
    plant = make_plant(organization, 1)
    [task] = plant.tasks("LABEL")
    with pytest.raises(Conflict):
        transitions.submit_remote(task_id=task.uid, author=admin, labels=[])


def test_an_archived_project_takes_no_work(organization: Organization, labeler: User) -> None:
    plant = make_plant(organization, 1)
    task = take_one(plant.stage("LABEL"), labeler)
    Project.objects.update(status="archived")
    with pytest.raises(Conflict):
        submit(task, labeler, [])
    with pytest.raises(Conflict):
        take_one(plant.stage("LABEL"), labeler)


def test_a_member_who_leaves_holds_nothing(organization: Organization, labeler: User, admin: User) -> None:
    plant = make_plant(organization, 3)
    stage = plant.stage("LABEL")
    take_one(stage, labeler)
    transitions.reassign(task_ids=[plant.tasks("LABEL")[-1].uid], to=labeler, by=admin)
    Membership.objects.get(user=labeler).delete()
    assert not Task.objects.exclude(assignee=None, reserved_for=None).exists()
    assert len(take_next(stage=stage, user=admin)) == 3


def test_a_manager_sends_finished_tasks_back_and_the_entry_goes_with_them(
    organization: Organization, labeler: User, admin: User
) -> None:
    plant = make_plant(organization, 1)
    done = label_one(plant.stage("LABEL"), labeler)
    assert transitions.move_to(task_ids=[done.uid], stage=plant.stage("LABEL"), by=admin) == 1
    assert not LabelsetEntry.objects.exists()
    assert take_one(plant.stage("LABEL"), labeler).pk == done.pk


def test_a_priority_puts_a_task_first(organization: Organization, labeler: User, admin: User) -> None:
    plant = make_plant(organization, 3)
    last = plant.tasks("LABEL")[-1]
    transitions.set_priority(task_ids=[last.uid], priority=2, by=admin)
    assert take_one(plant.stage("LABEL"), labeler).pk == last.pk
    with pytest.raises(Conflict):
        transitions.set_priority(task_ids=[last.uid], priority=float("nan"), by=admin)


def test_recent_lists_own_work_newest_first(organization: Organization, labeler: User) -> None:
    plant = make_plant(organization, 3)
    done = [label_one(plant.stage("LABEL"), labeler).pk for _ in range(3)]
    assert [task.pk for task in recent(stage=plant.stage("LABEL"), user=labeler)] == done[::-1]


def test_an_unknown_task_is_not_found(organization: Organization, labeler: User) -> None:
    with pytest.raises(Task.DoesNotExist):
        transitions.skip(task_id=UUID(int=1), user=labeler)


def test_an_expired_lease_is_taken_over_and_the_first_holder_is_refused(
    organization: Organization, labeler: User, admin: User
) -> None:
    plant = make_plant(organization, 1)
    stage = plant.stage("LABEL")
    task = take_one(stage, labeler)
    [taken] = take_next(stage=stage, user=admin, at=timezone.now() + timedelta(days=1))
    assert (taken.pk, taken.assignee, taken.revision) == (task.pk, admin, task.revision + 1)
    with pytest.raises(Conflict):
        submit(task, labeler, [])
