"""A person's own pages: theme, profile, the way back into an ended session."""

from __future__ import annotations

from allauth.usersessions.models import UserSession
from django.contrib import messages
from django.contrib.auth.decorators import login_not_required
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from apps.accounts.forms import ProfileForm, ThemeForm
from apps.common.http import HtmxRequest, is_fragment


@require_POST
@login_not_required
def theme(request: HtmxRequest) -> HttpResponse:
    """Remember the theme: in the account, and in a cookie for the pages before log-in."""
    form = ThemeForm(request.POST)
    if not form.is_valid():
        return HttpResponse("There is no such theme.", status=422, content_type="text/plain")
    chosen, back = form.cleaned_data["theme"], form.cleaned_data["next"]
    if request.user.is_authenticated:
        request.user.theme = chosen
        request.user.save(update_fields=["theme"])
    safe = url_has_allowed_host_and_scheme(back, allowed_hosts={request.get_host()})
    response = HttpResponse(status=204) if is_fragment(request) else redirect(back if safe else "home")
    response.set_cookie("theme", chosen, max_age=365 * 86400, samesite="Lax", secure=request.is_secure(), httponly=True)
    return response


@require_GET
def resumed(request: HtmxRequest) -> HttpResponse:
    """Shown after logging in again in a second tab; tells the first one that it may go on."""
    return render(request, "accounts/resumed.html")


@require_http_methods(["GET", "POST"])
def profile(request: HtmxRequest) -> HttpResponse:
    form = ProfileForm(request.POST or None, instance=request.user)
    if request.method == "POST" and form.is_valid():
        form.save()
        messages.success(request, "Your profile is saved.")
        return redirect("accounts:profile")
    return render(request, "accounts/profile.html", {"form": form}, status=422 if form.errors else 200)


@require_POST
def end_session(request: HtmxRequest, session: int) -> HttpResponse:
    """Log out one of one's own other sessions."""
    found = get_object_or_404(UserSession.objects.filter(user=request.user), pk=session)
    found.end()
    messages.success(request, "That session is ended.")
    return redirect("usersessions_list")
