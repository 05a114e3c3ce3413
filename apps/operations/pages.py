"""The page of one operation, and what other pages show of operations."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, QueryDict
from django.urls import reverse
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext as _

from apps.accounts.models import User
from apps.groups.models import Role
from apps.groups.permissions import allows, role_in
from apps.operations import canary, report, services
from apps.operations.models import Operation
from apps.operations.permissions import get_operation
from apps.panel.page import Action, Context, LivePage


def steps_of(operation: Operation) -> list[dict[str, Any]]:
    """The steps with moments instead of their text, and the failing one with its reason."""
    error = operation.error or {}
    return [
        {
            **step,
            "started_at": step["started_at"] and parse_datetime(step["started_at"]),
            "ended_at": step["ended_at"] and parse_datetime(step["ended_at"]),
            "reason": error.get("reason") if error.get("step") == step["name"] else step.get("reason"),
        }
        for step in operation.steps
    ]


def cancellable(operation: Operation) -> bool:
    return not operation.ended and operation.kind in services.CANCELLABLE


class OperationPage(LivePage):
    template = "operations/page.html"
    regions = ("operations/head", "operations/body")

    def context(self, user: User, query: QueryDict, **kwargs: Any) -> Context:
        operation = get_operation(user, kwargs["operation"])
        role = role_in(user, operation.group) if operation.group else None
        return {
            "operation": operation,
            "steps": steps_of(operation),
            "report": report.of(operation),
            "may_cancel": cancellable(operation) and allows(role, Role.DEVELOPER),
        }

    def topics(self, context: Mapping[str, Any]) -> set[str]:
        return {f"operation.{context['operation'].pk.hex}"}


class CanaryAction(Action):
    """A button of a canary; it is on the app's page."""

    def back(self, **kwargs: Any) -> str:
        return reverse("operation", args=[kwargs["operation"]])

    def to_app(self, operation: Operation) -> str:
        return reverse("app", args=[operation.group_name, operation.app_name])


class PromoteCanary(CanaryAction):
    def act(self, request: HttpRequest, **kwargs: Any) -> str:
        operation = get_operation(request.user, kwargs["operation"], Role.DEVELOPER)
        step = request.POST.get("step", "")
        canary.promote(request.user, operation, int(step) if step.isdecimal() and len(step) < 4 else None)
        messages.success(request, _("The new release goes on."))
        return self.to_app(operation)


class AbortCanary(CanaryAction):
    def act(self, request: HttpRequest, **kwargs: Any) -> str:
        operation = get_operation(request.user, kwargs["operation"], Role.DEVELOPER)
        canary.abort(request.user, operation)
        messages.success(request, _("The new release was aborted. What served before has all of the traffic again."))
        return self.to_app(operation)


class CancelOperation(Action):
    def act(self, request: HttpRequest, **kwargs: Any) -> str:
        operation = get_operation(request.user, kwargs["operation"], Role.DEVELOPER)
        services.cancel(request.user, operation)
        messages.success(request, _("The operation was cancelled. What it had done by then stays."))
        return self.back(**kwargs)

    def back(self, **kwargs: Any) -> str:
        return reverse("operation", args=[kwargs["operation"]])
