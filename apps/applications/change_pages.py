"""The pages and buttons that change an app: the form for a new one, its settings, and what can be done with it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _

from apps.accounts.models import User
from apps.applications import services
from apps.applications.fields import NumberField
from apps.applications.forms import NewAppForm, SpecForm
from apps.applications.models import App, Release
from apps.applications.pages import AppLivePage
from apps.applications.permissions import get_app
from apps.errors import Conflict, Invalid, invalid
from apps.groups.models import Role
from apps.groups.pages import group_context
from apps.operations.models import Operation
from apps.panel.page import Action, Context, Page, live_url


class NewApp(Page):
    def get(self, request: HttpRequest, group: str) -> HttpResponse:
        context = group_context(request.user, group, Role.DEVELOPER)
        return self._show(context, NewAppForm())

    def post(self, request: HttpRequest, group: str) -> HttpResponse:
        context = group_context(request.user, group, Role.DEVELOPER)
        form = NewAppForm(request.POST)
        if form.is_valid():
            try:
                services.create_app(request.user, context["group"], form.as_spec())
            except (Conflict, Invalid) as problem:
                form.refuse(problem)
            else:
                return redirect("app", group, form.cleaned_data["name"])
        return self._show(context, form)

    def _show(self, context: Context, form: NewAppForm) -> HttpResponse:
        shown = {**context, "form": form}
        return render(self.request, "applications/new.html", shown, status=422 if form.refused else 200)


class AppSettings(AppLivePage):
    template = "applications/settings.html"
    regions = ("applications/head",)
    tab = "settings"

    def get(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        context = self.context(request.user, request.GET, **kwargs)
        return self._show(context, context["app"].release, SpecForm(spec=context["spec"]))

    def post(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        app = get_app(request.user, kwargs["group"], kwargs["app"], Role.DEVELOPER)
        base = shown_release(request, app)
        form = SpecForm(request.POST, spec=base.spec)
        if form.is_valid():
            try:
                services.change_app(request.user, app, form.changes())
            except (Conflict, Invalid) as problem:
                form.refuse(problem)
            else:
                return redirect("app", app.group.name, app.name)
        return self._show(self.context(request.user, request.GET, **kwargs), base, form)

    def _show(self, context: Context, base: Release, form: SpecForm) -> HttpResponse:
        shown = {**context, "base": base.number, "form": form, "live_url": live_url(self.request)}
        return render(self.request, self.template, shown, status=422 if form.refused else 200)


def shown_release(request: HttpRequest, app: App) -> Release:
    """The release that a form showed: what differs from it is what its user changed."""
    number = request.POST.get("base", "")
    shown = app.releases.filter(number=int(number)).first() if number.isdecimal() and len(number) < 10 else None
    return shown or app.release


class AppAction(Action):
    """A button of an app: one call of a service."""

    call: Callable[[User, App], Operation]

    def act(self, request: HttpRequest, **kwargs: Any) -> str:
        app = get_app(request.user, kwargs["group"], kwargs["app"], Role.DEVELOPER)
        self.change(request, app)
        return self.back(**kwargs)

    def change(self, request: HttpRequest, app: App) -> None:
        type(self).call(request.user, app)

    def back(self, **kwargs: Any) -> str:
        return reverse("app", args=[kwargs["group"], kwargs["app"]])


class Start(AppAction):
    call = staticmethod(services.start)


class Stop(AppAction):
    call = staticmethod(services.stop)


class Restart(AppAction):
    call = staticmethod(services.restart)


class Scale(AppAction):
    def change(self, request: HttpRequest, app: App) -> None:
        replicas = NumberField("").clean(request.POST.get("replicas", ""))
        services.scale(request.user, app, replicas)


class Rollback(AppAction):
    def change(self, request: HttpRequest, app: App) -> None:
        number = request.POST.get("number", "")
        if not number.isdecimal() or len(number) > 9:
            raise invalid("number", "invalid", _("This is no release's number."))
        services.rollback(request.user, app, int(number))


class Delete(AppAction):
    """Deleting takes the app's name, typed, besides the button."""

    def act(self, request: HttpRequest, **kwargs: Any) -> str:
        super().act(request, **kwargs)
        return reverse("group", args=[kwargs["group"]])

    def change(self, request: HttpRequest, app: App) -> None:
        if request.POST.get("name", "").strip() != app.name:
            raise Conflict(_("The app was not deleted: type its name to confirm."), "not_confirmed")
        services.delete_app(request.user, app)
        messages.success(request, _("%(app)s is being deleted.") % {"app": app.name})
