"""Log-in is required everywhere; an htmx request never gets the log-in page swapped into a fragment."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib.auth.middleware import LoginRequiredMiddleware
from django.http import HttpRequest, HttpResponse


class LoginRequired(LoginRequiredMiddleware):
    """Anonymous pages go to the log-in page; fragments answer 401, on which the page keeps its content."""

    def handle_no_permission(self, request: HttpRequest, view_func: Callable[..., Any]) -> Any:
        if request.headers.get("HX-Request") == "true":
            return HttpResponse("Your session has ended.", status=401, content_type="text/plain")
        return super().handle_no_permission(request, view_func)
