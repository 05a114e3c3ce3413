"""The pages of groups: the list, one group, its members, its quota."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django import forms
from django.contrib import messages
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from apps.accounts.models import User
from apps.applications.models import App, AppStatus
from apps.checks import MOST
from apps.errors import Conflict, Invalid
from apps.events import pages as events
from apps.groups import permissions, services
from apps.groups.models import Group, Membership, Role
from apps.panel.forms import PanelForm, cpu_field, name_field, size_field, whole_field
from apps.panel.page import Action, Context, LivePage, Page
from scheduler.lifecycle import State
from scheduler.model import Resources

RECENT = 8  # events on a group's page
TROUBLED = (AppStatus.FAILING, AppStatus.DEGRADED)


def with_health(apps: QuerySet[App]) -> QuerySet[App]:
    """Apps with what their lines in lists show, in one query: release, group, instances that are healthy."""
    healthy = Count("instances", filter=Q(instances__state=State.HEALTHY, instances__gone_at=None))
    return apps.select_related("group", "release").prefetch_related("routes").annotate(healthy=healthy)


def group_context(user: User, name: str, role: Role = Role.VIEWER) -> Context:
    """What every page of a group knows: the group, and what its reader may do. Raises `NotFound`, `Forbidden`."""
    group = permissions.get_group(user, name)
    has = permissions.role_in(user, group)
    if not permissions.allows(has, role):
        permissions.check_role(user, group, role)
    return {
        "group": group,
        "may_change": permissions.allows(has, Role.DEVELOPER),
        "may_own": permissions.allows(has, Role.OWNER),
        "is_admin": user.is_admin,
    }


class GroupList(LivePage):
    template = "groups/list.html"
    regions = ("groups/list_tiles",)

    def context(self, user: User, query: QueryDict, **kwargs: Any) -> Context:
        groups = (
            permissions.visible_groups(user)
            .annotate(
                app_count=Count("apps", distinct=True),
                troubled=Count("apps", filter=Q(apps__status__in=TROUBLED), distinct=True),
                member_count=Count("memberships", distinct=True),
            )
            .order_by("name")
        )
        return {"groups": list(groups), "is_admin": user.is_admin}

    def topics(self, context: Mapping[str, Any]) -> set[str]:
        return {f"group.{group.pk}" for group in context["groups"]}


class GroupPage(LivePage):
    template = "groups/page.html"
    regions = ("groups/apps", "groups/side")

    def context(self, user: User, query: QueryDict, **kwargs: Any) -> Context:
        context = group_context(user, kwargs["group"])
        group = context["group"]
        return {
            **context,
            "apps": list(with_health(group.apps.all())),
            "members": list(members_of(group)[:6]),
            "events": events.recent(group.events.all(), RECENT),
        }

    def topics(self, context: Mapping[str, Any]) -> set[str]:
        return {f"group.{context['group'].pk}"}


def members_of(group: Group) -> QuerySet[Membership]:
    return group.memberships.select_related("user").order_by("user__username")


class QuotaForm(PanelForm):
    cpu = cpu_field(label=gettext_lazy("CPU"), help_text=gettext_lazy("Cores, such as 4 or 0.5"))
    memory = size_field(label=gettext_lazy("Memory"), help_text=gettext_lazy("Such as 8GiB"))
    disk = size_field(label=gettext_lazy("Disk"), help_text=gettext_lazy("Such as 50GiB"))
    instances = whole_field(0, MOST["instances"], label=gettext_lazy("Instances"))

    def field_of(self, path: str) -> str:
        return path.removeprefix("quota.")

    def quota(self) -> Resources:
        return Resources(**{figure: self.cleaned_data[figure] for figure in services.FIGURES})


class GroupForm(QuotaForm):
    name = name_field(
        label=gettext_lazy("Name"),
        help_text=gettext_lazy("Lower-case letters, digits and hyphens. It cannot be changed later."),
    )
    field_order = ["name", "cpu", "memory", "disk", "instances"]


class NewGroup(Page):
    START = {"cpu": "4", "memory": "8GiB", "disk": "50GiB", "instances": 20}

    def get(self, request: HttpRequest) -> HttpResponse:
        permissions.check_admin(request.user)
        return self._show(GroupForm(initial=self.START))

    def post(self, request: HttpRequest) -> HttpResponse:
        permissions.check_admin(request.user)
        form = GroupForm(request.POST)
        if form.is_valid():
            try:
                group = services.create_group(request.user, form.cleaned_data["name"], form.quota())
            except (Conflict, Invalid) as problem:
                form.refuse(problem)
            else:
                return redirect("members", group.name)
        return self._show(form)

    def _show(self, form: GroupForm) -> HttpResponse:
        return render(self.request, "groups/new.html", {"form": form}, status=422 if form.errors else 200)


class QuotaPage(Page):
    def get(self, request: HttpRequest, group: str) -> HttpResponse:
        context = self._context(group)
        quota = services.quota_of(context["group"])
        return self._show(context, QuotaForm(initial={figure: getattr(quota, figure) for figure in services.FIGURES}))

    def post(self, request: HttpRequest, group: str) -> HttpResponse:
        context = self._context(group)
        form = QuotaForm(request.POST)
        if form.is_valid():
            try:
                services.set_quota(request.user, context["group"], form.quota())
            except (Conflict, Invalid) as problem:
                form.refuse(problem)
            else:
                messages.success(request, _("The quota was changed."))
                return redirect("group", group)
        return self._show(context, form)

    def _context(self, name: str) -> Context:
        context = group_context(self.request.user, name)
        permissions.check_admin(self.request.user)
        return context

    def _show(self, context: Context, form: QuotaForm) -> HttpResponse:
        return render(self.request, "groups/quota.html", {**context, "form": form}, status=422 if form.errors else 200)


class MemberForm(PanelForm):
    username = forms.CharField(label=gettext_lazy("User name"))
    role = forms.ChoiceField(label=gettext_lazy("Role"), choices=Role.choices, initial=Role.DEVELOPER)


class MembersPage(Page):
    """Who is in the group. Everyone in it sees that; owners change it."""

    def get(self, request: HttpRequest, group: str) -> HttpResponse:
        return self._show(group_context(request.user, group), MemberForm())

    def post(self, request: HttpRequest, group: str) -> HttpResponse:
        context = group_context(request.user, group, Role.OWNER)
        form = MemberForm(request.POST)
        if form.is_valid():
            try:
                services.set_member(request.user, context["group"], **form.cleaned_data)
            except (Conflict, Invalid) as problem:
                form.refuse(problem)
            else:
                return redirect("members", group)
        return self._show(context, form)

    def _show(self, context: Context, form: MemberForm) -> HttpResponse:
        members = members_of(context["group"])
        shown = {**context, "members": members, "form": form, "roles": Role.choices}
        return render(self.request, "groups/members.html", shown, status=422 if form.errors else 200)


class RemoveMember(Action):
    def act(self, request: HttpRequest, **kwargs: Any) -> str:
        group = permissions.get_group(request.user, kwargs["group"], Role.OWNER)
        services.remove_member(request.user, group, request.POST.get("username", ""))
        return self.back(**kwargs)

    def back(self, **kwargs: Any) -> str:
        return reverse("members", args=[kwargs["group"]])


class DeleteGroup(Action):
    def act(self, request: HttpRequest, **kwargs: Any) -> str:
        group = permissions.get_group(request.user, kwargs["group"], Role.OWNER)
        services.delete_group(request.user, group)
        messages.success(request, _("Group %(name)s was deleted.") % {"name": group.name})
        return reverse("groups")

    def back(self, **kwargs: Any) -> str:
        return reverse("group", args=[kwargs["group"]])
