"""A project moves to a newer version of its taxonomy: a class added in mid-project, every label keeping its meaning."""

from __future__ import annotations

from django.contrib import messages
from django.db import transaction
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods

from apps.accounts import audit
from apps.accounts.access import Can
from apps.accounts.models import User
from apps.common.http import Conflict, HtmxRequest
from apps.common.texts import whole
from apps.projects.models import Project, Stage
from apps.projects.pages import project_of
from apps.taxonomies import services as taxonomies
from apps.taxonomies.models import Taxonomy
from apps.warehouse.models import Labelset


def newer_versions(project: Project) -> list[tuple[Taxonomy, list[Taxonomy]]]:
    """Each taxonomy the project's stages and outputs use, with its newer versions, newest first."""
    used = Taxonomy.objects.filter(stages__project=project) | Taxonomy.objects.filter(
        labelsets__stages__project=project
    )
    return [(each, list(_newer(each))) for each in used.distinct().order_by("name", "version")]


def _newer(taxonomy: Taxonomy) -> list[Taxonomy]:
    same = Taxonomy.objects.filter(organization=taxonomy.organization_id, name=taxonomy.name)
    return list(same.filter(version__gt=taxonomy.version).order_by("-version"))


@transaction.atomic
def move_to_version(*, project: Project, taxonomy: Taxonomy, by: User | None) -> None:
    """Its stages, and the labelsets only it uses, name this version from now on; Conflict if a class would be lost."""
    stages = Stage.objects.filter(project=project)
    list(stages.select_for_update().order_by("pk"))
    written = Labelset.objects.filter(stages__project=project, taxonomy__name=taxonomy.name)
    labelsets = Labelset.objects.filter(pk__in=[each.pk for each in written.select_for_update().order_by("pk")])
    older = {each for each, _ in newer_versions(project) if each.name == taxonomy.name}
    if not older or any(each.organization_id != taxonomy.organization_id for each in older):
        raise Conflict("The project does not use this taxonomy.")
    for each in older:
        if each.version > taxonomy.version:
            raise Conflict(f"The project uses version {each.version}: it moves only to newer ones.")
        if lost := taxonomies.class_ids(each) - taxonomies.class_ids(taxonomy):
            raise Conflict(f"Version {taxonomy.version} lacks classes that labels may use: {sorted(lost)}.")
    others = Stage.objects.filter(labelset__in=labelsets).exclude(project=project)
    if names := sorted(set(others.values_list("project__name", flat=True))):
        raise Conflict(f"The labelset is shared with {', '.join(names)}, which would keep the old version.")
    taxonomies.freeze(taxonomy)
    labelsets.update(taxonomy=taxonomy)
    stages.filter(taxonomy__in=older).update(taxonomy=taxonomy)
    audit.record(project.organization_id, by, "moved to a newer taxonomy", project.name, taxonomy=str(taxonomy))


@require_http_methods(["GET", "POST"])
def versions(request: HtmxRequest, org: str, pk: int) -> HttpResponse:
    """The fragment that offers newer versions, and the move."""
    project = project_of(request, org, pk, Can.MANAGE_PROJECTS)
    if request.method == "GET":
        context = {"project": project, "used": newer_versions(project)}
        return render(request, "projects/_versions.html", context)
    taxonomy = get_object_or_404(project.organization.taxonomies, pk=whole(request.POST.get("taxonomy", "")) or 0)
    try:
        move_to_version(project=project, taxonomy=taxonomy, by=request.user)
    except Conflict as conflict:
        messages.error(request, conflict.message)
    else:
        messages.success(request, f"{project.name} labels with {taxonomy} from now on.")
    return redirect("projects:settings", org, pk)
