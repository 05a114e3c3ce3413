"""An app's routes in the panel: what each does, a page for each, and the rules for all requests.

A route has no name. Its page calls it by its place in the list, counted from 1, and says of which release (`base`) that
list was, so that nobody changes another one than the one that they saw.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _

from apps.accounts.models import User
from apps.applications import http_spec, services
from apps.applications.change_pages import AppAction, shown_release
from apps.applications.edge_forms import RouteForm, RulesForm
from apps.applications.models import App, Release
from apps.applications.pages import AppLivePage
from apps.applications.permissions import get_app
from apps.applications.route_words import described
from apps.applications.spec_forms import SpecPart
from apps.certificates.serving import serving
from apps.errors import Conflict, Invalid, NotFound
from apps.groups.models import Role
from apps.panel.page import Context, live_url
from scheduler.model import Protocol

Spec = Mapping[str, Any]
Routes = list[dict[str, Any]]


class RoutesPage(AppLivePage):
    template = "applications/routes.html"
    regions = ("applications/head", "applications/route_table", "applications/rules")
    tab = "routes"

    def context(self, user: User, query: QueryDict, **kwargs: Any) -> Context:
        context = super().context(user, query, **kwargs)
        app: App = context["app"]
        listed = app.release.spec["routes"] if app.release else []
        certificates = serving(list(app.group.certificates.all()), {route["host"] for route in listed})
        shown = [
            {
                "number": number,
                "route": http_spec.as_route(route),
                "does": described(http_spec.as_route(route)),
                "certificate": certificates.get(route["host"]),
            }
            for number, route in enumerate(listed, 1)
        ]
        return {
            **context,
            "shown": shown,
            "has_routes": context["spec"].get("protocol") == Protocol.HTTP,
            "rules": RulesForm(spec=app.release.spec).facts if app.release else [],
        }


class EdgeFormPage(AppLivePage):
    """A form below the tab of routes. Who may not change the app sees it and cannot send it."""

    regions = ("applications/head",)
    tab = "routes"

    def form(self, data: QueryDict | None, base: Release) -> SpecPart:
        """Raises `NotFound`."""
        raise NotImplementedError

    def changes(self, form: Any, base: Release) -> object:
        """What is asked of the app's spec (`services.change_app`)."""
        raise NotImplementedError

    def get(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        context = self.context(request.user, request.GET, **kwargs)
        base = context["app"].release
        return self._show(context, base, self.form(None, base))

    def post(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        app = get_app(request.user, kwargs["group"], kwargs["app"], Role.DEVELOPER)
        base = shown_release(request, app)
        form = self.form(request.POST, base)
        if form.is_valid():
            try:
                services.change_app(request.user, app, self.changes(form, base))
            except (Conflict, Invalid) as problem:
                form.refuse(problem)
            else:
                messages.success(request, _("It was saved. The edges follow in a moment."))
                return redirect("app-routes", app.group.name, app.name)
        return self._show(self.context(request.user, request.GET, **kwargs), base, form)

    def _show(self, context: Context, base: Release, form: SpecPart) -> HttpResponse:
        shown = {**context, "number": self.kwargs.get("number"), "base": base.number, "form": form}
        shown["live_url"] = live_url(self.request)
        return render(self.request, self.template, shown, status=422 if form.refused else 200)


class RulesPage(EdgeFormPage):
    template = "applications/edge_rules.html"

    def form(self, data: QueryDict | None, base: Release) -> SpecPart:
        return RulesForm(data, spec=base.spec)

    def changes(self, form: RulesForm, base: Release) -> object:
        return form.changes()


class NewRoute(EdgeFormPage):
    template = "applications/route.html"

    def context(self, user: User, query: QueryDict, **kwargs: Any) -> Context:
        get_app(user, kwargs["group"], kwargs["app"], Role.DEVELOPER)  # viewers have nothing to see here
        return super().context(user, query, **kwargs)

    def form(self, data: QueryDict | None, base: Release) -> SpecPart:
        return RouteForm(data, spec={})

    def changes(self, form: RouteForm, base: Release) -> object:
        def added(spec: Spec) -> object:
            form.index = len(spec["routes"])
            return {"routes": [*spec["routes"], form.as_spec()]}

        return added


class RoutePage(EdgeFormPage):
    template = "applications/route.html"

    def form(self, data: QueryDict | None, base: Release) -> SpecPart:
        return RouteForm(data, spec=numbered(base, self.kwargs["number"]))

    def changes(self, form: RouteForm, base: Release) -> object:
        def replace(routes: Routes, index: int) -> None:
            form.index = index
            routes[index] = form.as_spec()

        return with_route(base, self.kwargs["number"], replace)


class RemoveRoute(AppAction):
    def change(self, request: HttpRequest, app: App) -> None:
        if not request.POST.get("base"):
            raise changed_meanwhile()
        base = shown_release(request, app)
        removed = with_route(base, self.kwargs["number"], lambda routes, index: routes.pop(index))
        services.change_app(request.user, app, removed)
        messages.success(request, _("The route was removed."))

    def back(self, **kwargs: Any) -> str:
        return reverse("app-routes", args=[kwargs["group"], kwargs["app"]])


def numbered(release: Release, number: int) -> dict[str, Any]:
    """The route at this place. Raises `NotFound`."""
    routes: Routes = release.spec["routes"]
    if not 1 <= number <= len(routes):
        raise NotFound
    return routes[number - 1]


def with_route(base: Release, number: int, change: Callable[[Routes, int], object]) -> Callable[[Spec], object]:
    """Changes to one route of whatever spec there is by then, if it still is as it was in `base`. Raises `NotFound`.

    The function raises `Conflict` when it is not.
    """
    meant = http_spec.as_route(numbered(base, number))

    def changes(spec: Spec) -> object:
        routes = list(spec["routes"])
        found = [index for index, route in enumerate(routes) if http_spec.as_route(route) == meant]
        if not found:
            raise changed_meanwhile()
        change(routes, found[0])
        return {"routes": routes}

    return changes


def changed_meanwhile() -> Conflict:
    return Conflict(_("This route was changed or removed meanwhile: look at the routes again."), "route_changed")
