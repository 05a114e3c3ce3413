"""The pages of nodes, which are for admins."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _

from apps.accounts.models import User
from apps.applications.models import Instance
from apps.errors import Conflict, Invalid
from apps.events import pages as events
from apps.groups.permissions import check_admin
from apps.nodes import services
from apps.nodes.drains import progress
from apps.nodes.forms import EnrolForm, SettingsForm
from apps.nodes.lost import abandon
from apps.nodes.models import Node
from apps.nodes.permissions import get_node
from apps.panel.page import Action, Context, LivePage, Page

RECENT = 8


class NodeList(LivePage):
    template = "nodes/list.html"
    regions = ("nodes/table",)

    def context(self, user: User, query: QueryDict, **kwargs: Any) -> Context:
        check_admin(user)
        return {"nodes": list(Node.objects.all())}

    def topics(self, context: Mapping[str, Any]) -> set[str]:
        return {"nodes"}


class NodePage(LivePage):
    template = "nodes/page.html"
    regions = ("nodes/head", "nodes/body")

    def context(self, user: User, query: QueryDict, **kwargs: Any) -> Context:
        node = get_node(user, kwargs["node"])
        instances = Instance.objects.filter(node=node, gone_at=None)
        return {
            "node": node,
            "instances": list(instances.select_related("app__group", "release").order_by("group", "app__name", "slot")),
            "events": events.recent(node.events.filter(group=None), RECENT),
            "drain": progress(node) if node.draining else None,
        }

    def topics(self, context: Mapping[str, Any]) -> set[str]:
        return {"nodes"}


class EnrolPage(Page):
    def get(self, request: HttpRequest) -> HttpResponse:
        check_admin(request.user)
        return self._show(EnrolForm())

    def post(self, request: HttpRequest) -> HttpResponse:
        check_admin(request.user)
        form = EnrolForm(request.POST)
        if form.is_valid():
            try:
                node = services.enrol(**form.cleaned_data, actor=request.user)
            except (Conflict, Invalid) as problem:
                form.refuse(problem)
            else:
                return redirect("node", node.name)
        return self._show(form)

    def _show(self, form: EnrolForm) -> HttpResponse:
        return render(self.request, "nodes/new.html", {"form": form}, status=422 if form.errors else 200)


class NodeSettings(Page):
    def get(self, request: HttpRequest, node: str) -> HttpResponse:
        found = get_node(request.user, node)
        return self._show(found, SettingsForm(initial=SettingsForm.of(found)))

    def post(self, request: HttpRequest, node: str) -> HttpResponse:
        found, form = get_node(request.user, node), SettingsForm(request.POST)
        if form.is_valid():
            try:
                services.change_node(request.user, found, **form.changes())
            except (Conflict, Invalid) as problem:
                form.refuse(problem)
            else:
                messages.success(request, _("The node was changed."))
                return redirect("node", node)
        return self._show(found, form)

    def _show(self, node: Node, form: SettingsForm) -> HttpResponse:
        shown = {"node": node, "form": form}
        return render(self.request, "nodes/settings.html", shown, status=422 if form.errors else 200)


class Cordon(Action):
    cordoned = True

    def act(self, request: HttpRequest, **kwargs: Any) -> str:
        services.change_node(request.user, get_node(request.user, kwargs["node"]), cordoned=self.cordoned)
        return self.back(**kwargs)

    def back(self, **kwargs: Any) -> str:
        return reverse("node", args=[kwargs["node"]])


class Drain(Action):
    def act(self, request: HttpRequest, **kwargs: Any) -> str:
        services.drain(request.user, get_node(request.user, kwargs["node"]))
        return self.back(**kwargs)

    def back(self, **kwargs: Any) -> str:
        return reverse("node", args=[kwargs["node"]])


class EndDrain(Drain):
    def act(self, request: HttpRequest, **kwargs: Any) -> str:
        services.end_drain(request.user, get_node(request.user, kwargs["node"]))
        return self.back(**kwargs)


class RemoveNode(Action):
    def act(self, request: HttpRequest, **kwargs: Any) -> str:
        node = get_node(request.user, kwargs["node"])
        services.remove_node(request.user, node)
        messages.success(request, _("Node %(name)s was removed.") % {"name": node.name})
        return reverse("nodes")

    def back(self, **kwargs: Any) -> str:
        return reverse("node", args=[kwargs["node"]])


class AbandonNode(RemoveNode):
    def act(self, request: HttpRequest, **kwargs: Any) -> str:
        node = get_node(request.user, kwargs["node"])
        left = abandon(request.user, node)
        said = {"name": node.name, "which": ", ".join(f"{one.app} {one.instance}" for one in left)}
        if left:
            message = _("Node %(name)s was abandoned. Nobody stops what may still be on it: %(which)s.")
        else:
            message = _("Node %(name)s was abandoned; nothing is left on it.")
        messages.success(request, message % said)
        return reverse("nodes")
