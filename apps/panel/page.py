"""What the panel's views have in common: who may look, how problems become answers, how a page stays live."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.contrib import messages
from django.contrib.auth.mixins import LoginRequiredMixin
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect, QueryDict
from django.shortcuts import redirect, render
from django.utils.translation import get_language
from django.views import View

from apps.accounts.models import User
from apps.errors import Conflict, Forbidden, Invalid, NotFound

Context = dict[str, Any]
LIVE = "/live"  # a live page's socket has the page's own address below this


class Page(LoginRequiredMixin, View):
    """A view for people who are logged in."""

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        try:
            return super().dispatch(request, *args, **kwargs)
        except NotFound as problem:
            raise Http404(str(problem)) from None
        except Forbidden as problem:
            raise PermissionDenied(str(problem)) from None


class LivePage(Page):
    """A page whose regions are rendered again while it is open.

    `context` is all that the page and its regions show; it asks for permission every time, since it is called for
    each push as well. `topics` are the hints (`apps.panel.live`) that a page in this context wants.
    """

    template: str
    regions: tuple[str, ...] = ()  # templates, see `apps.panel.regions`
    pace = 1  # how much more often than others it is looked at when nothing hints at it

    def context(self, user: User, query: QueryDict, **kwargs: Any) -> Context:
        """Raises `NotFound` and `Forbidden`."""
        raise NotImplementedError

    def topics(self, context: Mapping[str, Any]) -> set[str]:
        raise NotImplementedError

    def get(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        context = self.context(request.user, request.GET, **kwargs)
        return render(request, self.template, {**context, "live_url": live_url(request)})


class Action(Page):
    """A change that a button asks for: it is made or refused, and either is said on the page that comes next."""

    http_method_names = ["post"]

    def act(self, request: HttpRequest, **kwargs: Any) -> str:
        """Make the change and return the address to go to. Raises every `Problem`."""
        raise NotImplementedError

    def back(self, **kwargs: Any) -> str:
        """Where to go when the change is refused."""
        raise NotImplementedError

    def post(self, request: HttpRequest, **kwargs: Any) -> HttpResponseRedirect:
        try:
            return redirect(self.act(request, **kwargs))
        except (Conflict, Invalid) as problem:
            messages.error(request, str(problem))
            return redirect(self.back(**kwargs))


def live_url(request: HttpRequest) -> str:
    """The address of the page's socket, in the page's language and with its filters."""
    query = request.GET.copy()
    query["language"] = get_language() or ""
    return f"{LIVE}{request.path}?{query.urlencode()}"
