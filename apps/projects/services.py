"""Create, configure, archive and delete projects."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction

from apps.accounts import audit
from apps.accounts.models import Organization, User
from apps.common import runs
from apps.common.http import Conflict
from apps.common.models import Run, RunStatus
from apps.projects.blueprints import BLUEPRINTS, Choice
from apps.projects.models import Project, Stage
from apps.projects.pipelines import Problem, brick_of, edges
from apps.projects.validation import carried, validate
from apps.taxonomies import services as taxonomies
from apps.taxonomies.models import Taxonomy
from apps.warehouse import removing
from apps.warehouse import services as warehouse
from apps.warehouse.models import Dataset, Labelset

CREATE = "project-create"
FEED = "project-feed"
DELETE = "project-delete"
ACTIVE = (RunStatus.QUEUED, RunStatus.RUNNING)


class PipelineErrors(ValueError):
    """Every error of a pipeline at once."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__(" ".join(str(problem) for problem in problems))
        self.problems = list(problems)


def create_project(
    *,
    organization: Organization,
    name: str,
    stages: Sequence[Stage],
    by: User | None,
    description: str = "",
    instructions: str = "",
) -> tuple[Project, Run]:
    """A project with unsaved stages as its pipeline, and the run that makes its tasks."""
    project = Project(organization=organization, name=name.strip(), description=description.strip(), created_by=by)
    project.instructions = instructions.strip()
    project.full_clean(exclude=["organization", "created_by"], validate_constraints=False)
    with transaction.atomic():
        _lock_labelsets(stages)
        removing.require_kept(stage.dataset_id for stage in stages if stage.dataset_id is not None)
        if problems := validate(stages):
            raise PipelineErrors(problems)
        try:
            with transaction.atomic():
                project.save()
        except IntegrityError as error:
            raise ValidationError({"name": "A project of this name is there already."}) from error
        _save_stages(project, stages)
        audit.record(organization, by, "created project", project.name)
        run = runs.create(organization=organization, kind=CREATE, target=project.pk, requested_by=by)
        runs.enqueue(run)
    return project, run


def _lock_labelsets(stages: Sequence[Stage]) -> None:
    """Two projects created at once do not both find the labelset unwritten."""
    keys = sorted(stage.labelset_id for stage in stages if stage.labelset_id is not None)
    list(Labelset.objects.select_for_update().filter(pk__in=keys).order_by("pk"))


def _save_stages(project: Project, stages: Sequence[Stage]) -> None:
    leaves = carried(stages, edges(stages))
    for position, stage in enumerate(stages):
        stage.project, stage.position = project, position
        stage.config = brick_of(stage).options | stage.config
        what = leaves[stage.name]
        if stage.taxonomy is None and what is not None and brick_of(stage).worked_by:
            stage.taxonomy = what.taxonomy
        if stage.taxonomy is not None:
            taxonomies.freeze(stage.taxonomy)
    Stage.objects.bulk_create(stages)


def edit_project(
    *, project: Project, name: str, description: str, instructions: str, undecided: str, slider_default: float
) -> Project:
    """Another name, description, instructions or treatment of undecided pre-labels."""
    project.name, project.description, project.instructions = name.strip(), description.strip(), instructions.strip()
    project.undecided, project.slider_default = undecided, slider_default
    project.full_clean(exclude=["organization", "created_by"], validate_constraints=False)
    try:
        with transaction.atomic():
            project.save(update_fields=["name", "description", "instructions", "undecided", "slider_default"])
    except IntegrityError as error:
        raise ValidationError({"name": "A project of this name is there already."}) from error
    return project


def configure_stage(*, stage: Stage, config: dict[str, Any]) -> Stage:
    """Other settings for a stage; they hold from now on."""
    with transaction.atomic():
        locked = Stage.objects.select_for_update().get(pk=stage.pk)
        changed = locked.config | config
        settings = brick_of(locked).settings
        wrong = {
            key: f"{settings[key].label} {reason}." if key in settings else "There is no such setting."
            for key, value in config.items()
            if key not in settings or (reason := settings[key].problem(value))
        }
        if wrong:
            raise ValidationError(wrong)
        locked.config = changed
        locked.save(update_fields=["config"])
    return locked


def add_new_datapoints(*, project: Project, by: User | None) -> Run:
    """The run that makes tasks of what the datasets have gained; one that already waits is enough."""
    with transaction.atomic():
        Project.objects.select_for_update().get(pk=project.pk)
        waiting = Run.objects.filter(kind=FEED, target=project.pk, status=RunStatus.QUEUED).first()
        if waiting:
            return waiting
        run = runs.create(organization=project.organization, kind=FEED, target=project.pk, requested_by=by)
        runs.enqueue(run)
    return run


@transaction.atomic
def archive(*, project: Project, by: User | None) -> None:
    """Nobody works in it any more; everything stays readable."""
    Project.objects.select_for_update().get(pk=project.pk)
    _refuse_while_busy(project)
    _turn(project, Project.Status.READY, Project.Status.ARCHIVED, "archived project", by)


@transaction.atomic
def unarchive(*, project: Project, by: User | None) -> None:
    """Work goes on, also on what came to the dataset meanwhile."""
    _turn(project, Project.Status.ARCHIVED, Project.Status.READY, "took project from the archive", by)
    add_new_datapoints(project=project, by=by)


@transaction.atomic
def _turn(project: Project, old: Project.Status, new: Project.Status, verb: str, by: User | None) -> None:
    if not Project.objects.filter(pk=project.pk, status=old).update(status=new):
        raise Conflict(f"The project is not {old.label.lower()}.")
    audit.record(project.organization_id, by, verb, project.name)


def delete_project(*, project: Project, by: User | None) -> Run:
    """The run that removes the project with its tasks; what it has written to its labelset stays there."""
    with transaction.atomic():
        locked = Project.objects.select_for_update().get(pk=project.pk)
        if locked.status == Project.Status.REMOVING:
            raise Conflict("The project is already being removed.")
        _stop_runs(locked, by)
        Project.objects.filter(pk=locked.pk).update(status=Project.Status.REMOVING)
        audit.record(locked.organization, by, "deleted project", locked.name)
        run = runs.create(organization=locked.organization, kind=DELETE, target=locked.pk, requested_by=by)
        runs.enqueue(run)
    return run


def _stop_runs(project: Project, by: User | None) -> None:
    """Its own runs are canceled; a running cycle or flush must be ended by who started it."""
    _refuse_while_busy(project)
    for run in Run.objects.filter(kind__in=[CREATE, FEED], target=project.pk, status__in=ACTIVE):
        runs.cancel(run, by)


def _refuse_while_busy(project: Project) -> None:
    busy = Stage.objects.filter(project=project, stage_runs__is_active=True).first()
    if busy is not None:
        raise Conflict(f"A cycle or flush is running in {busy.name}. Cancel it first.")


def latest_run(project: Project) -> Run | None:
    """The newest run on the project itself that is active or has failed."""
    mine = Run.objects.filter(kind__in=[CREATE, FEED, DELETE], target=project.pk).order_by("-id")
    newest = mine.first()
    return newest if newest and newest.status != RunStatus.DONE else None


@dataclass(frozen=True, slots=True)
class Wish:
    """What a blueprint is to be filled with: something that is there, or the name of what is to be made."""

    dataset: Dataset | None = None
    new_dataset: str = ""
    taxonomy: Taxonomy | None = None
    new_taxonomy: str = ""
    new_classes: Sequence[str] = ()
    labelset: Labelset | None = None
    new_labelset: str = ""
    source: Labelset | None = None
    allow_edit: bool = True
    sample: float = 1.0

    def imagined(self, organization: Organization) -> Choice:
        """The choice as it would be, with nothing saved."""
        dataset, taxonomy, labelset = self.dataset, self.taxonomy, self.labelset
        if self.new_dataset:
            dataset = Dataset(organization=organization, name=self.new_dataset)
        if self.new_taxonomy:
            taxonomy = Taxonomy(organization=organization, name=self.new_taxonomy)
        if self.new_labelset:
            labelset = Labelset(organization=organization, name=self.new_labelset)
            if taxonomy is not None:
                labelset.taxonomy = taxonomy
        return self._choice(dataset, taxonomy, labelset)

    def fulfilled(self, organization: Organization, by: User | None) -> Choice:
        """The choice, with what was missing made."""
        dataset, taxonomy, labelset = self.dataset, self.taxonomy, self.labelset
        if self.new_dataset:
            dataset = warehouse.create_dataset(organization=organization, name=self.new_dataset, by=by)
        if self.new_taxonomy:
            taxonomy = taxonomies.create(organization=organization, name=self.new_taxonomy, tree=list(self.new_classes))
        if self.new_labelset and taxonomy is not None:
            labelset = warehouse.create_labelset(
                organization=organization, name=self.new_labelset, taxonomy=taxonomy, by=by
            )
        return self._choice(dataset, taxonomy, labelset)

    def _choice(self, dataset: Dataset | None, taxonomy: Taxonomy | None, labelset: Labelset | None) -> Choice:
        return Choice(
            dataset=dataset,
            taxonomy=taxonomy,
            labelset=labelset,
            source=self.source,
            allow_edit=self.allow_edit,
            sample=self.sample,
        )


def create_from_blueprint(
    *, organization: Organization, name: str, blueprint: str, wish: Wish, by: User | None, description: str = ""
) -> tuple[Project, Run]:
    """A project of a blueprint, and what it needs and was named rather than chosen; all or nothing."""
    build = BLUEPRINTS[blueprint].build
    if problems := validate(build(wish.imagined(organization))):
        raise PipelineErrors(problems)
    with transaction.atomic():
        stages = build(wish.fulfilled(organization, by))
        return create_project(organization=organization, name=name, description=description, stages=stages, by=by)
