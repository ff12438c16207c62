"""An organization's own matters: its name, its end, its audit trail, the keys of its members."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.db.models import Q
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from apps.accounts import services
from apps.accounts.access import Can, allows, enter
from apps.accounts.forms import ApiKeyForm, AuditFilterForm, ConfirmNameForm, OrganizationForm
from apps.accounts.models import ApiKey, Organization, User
from apps.common.http import HtmxRequest, page_by_key


@require_http_methods(["GET", "POST"])
def settings(request: HtmxRequest, org: str) -> HttpResponse:
    organization = enter(request, org, Can.DELETE_ORGANIZATION)
    form = OrganizationForm(request.POST or None, initial={"name": organization.name})
    if request.method == "POST" and form.is_valid():
        services.rename_organization(organization=organization, name=form.cleaned_data["name"], actor=request.user)
        messages.success(request, "The organization is renamed. Its address in links stays as it is.")
        return redirect("accounts:settings", org)
    return render(request, "accounts/settings.html", {"form": form}, status=422 if form.errors else 200)


@require_POST
def delete(request: HtmxRequest, org: str) -> HttpResponse:
    organization = enter(request, org, Can.DELETE_ORGANIZATION)
    confirm = ConfirmNameForm(request.POST, organization=organization)
    if not confirm.is_valid():
        context = {"form": OrganizationForm(initial={"name": organization.name}), "confirm": confirm}
        return render(request, "accounts/settings.html", context, status=422)
    services.delete_organization(organization=organization, actor=request.user)
    return redirect("accounts:organizations")


@require_GET
def audit_trail(request: HtmxRequest, org: str) -> HttpResponse:
    organization = enter(request, org, Can.SEE_AUDIT_TRAIL)
    form = _filter_form(request, organization)
    events = organization.audit_events.select_related("actor")
    if form.is_valid():
        events = events.filter(_wanted(form.cleaned_data))
    page = page_by_key(events, ("-pk",), after=request.GET.get("after", ""), before=request.GET.get("before", ""))
    context = {"form": form, "events": page.rows, "pager": page.links(request)}
    return render(request, "accounts/audit_trail.html", context)


def _filter_form(request: HtmxRequest, organization: Organization) -> AuditFilterForm:
    form = AuditFilterForm(request.GET)
    verbs = organization.audit_events.order_by("verb").values_list("verb", flat=True).distinct()
    form.fields["verb"].choices = [("", "Anything"), *((verb, verb) for verb in verbs)]  # type: ignore[attr-defined]
    actors = organization.audit_events.order_by().values("actor_id").distinct()
    form.fields["actor"].queryset = User.objects.filter(pk__in=actors).order_by("email")  # type: ignore[attr-defined]
    return form


def _wanted(data: dict[str, Any]) -> Q:
    wanted = Q()
    if data["verb"]:
        wanted &= Q(verb=data["verb"])
    if data["actor"]:
        wanted &= Q(actor=data["actor"])
    if data["q"]:
        wanted &= Q(target__icontains=data["q"])
    return wanted


@require_http_methods(["GET", "POST"])
@never_cache
def api_keys(request: HtmxRequest, org: str) -> HttpResponse:
    """One's own keys; a manager also sees those of others, to revoke them."""
    organization = enter(request, org, Can.USE_OWN_KEYS)
    form, secret = ApiKeyForm(request.POST or None), ""
    if request.method == "POST" and form.is_valid():
        _, secret = services.create_api_key(
            organization=organization, user=request.user, name=form.cleaned_data["name"]
        )
        form = ApiKeyForm()
    keys = _visible_keys(request, organization)
    page = page_by_key(keys, ("-pk",), after=request.GET.get("after", ""), before=request.GET.get("before", ""))
    context = {"form": form, "secret": secret, "keys": page.rows, "pager": page.links(request)}
    return render(request, "accounts/api_keys.html", context, status=422 if form.errors else 200)


@require_POST
def revoke_api_key(request: HtmxRequest, org: str, key: int) -> HttpResponse:
    organization = enter(request, org, Can.USE_OWN_KEYS)
    found = get_object_or_404(_visible_keys(request, organization), pk=key)
    services.revoke_api_key(key=found, actor=request.user)
    messages.success(request, f"The key {found.name} is revoked.")
    return redirect("accounts:api-keys", org)


def _visible_keys(request: HtmxRequest, organization: Organization) -> Any:
    keys = ApiKey.objects.filter(organization=organization, revoked_at=None).select_related("user")
    manager = allows(request.membership.role, Can.MANAGE_MEMBERS)
    return keys if manager else keys.filter(user=request.user)
