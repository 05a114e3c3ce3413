"""The pages on which ops make and change priority classes."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _

from apps.errors import Conflict, Invalid
from apps.groups.permissions import check_admin
from apps.panel.page import Action, Page
from apps.placement import priorities
from apps.placement.forms import NewPriorityForm, PriorityForm
from apps.placement.models import PriorityClass


class PriorityPage(Page):
    """One class in a form; without one, the form for a new one."""

    def get(self, request: HttpRequest, priority: str | None = None) -> HttpResponse:
        row = self._find(priority)
        if row is None:
            return self._show(None, NewPriorityForm())
        groups = None if row.for_all else sorted(group.name for group in row.groups.all())
        initial = {"value": row.value, "protected": row.protected, "groups": groups}
        return self._show(row, PriorityForm(initial=initial))

    def post(self, request: HttpRequest, priority: str | None = None) -> HttpResponse:
        row = self._find(priority)
        form = PriorityForm(request.POST) if row else NewPriorityForm(request.POST)
        if form.is_valid():
            try:
                if row:
                    priorities.change(request.user, row, **form.cleaned_data)
                else:
                    priorities.create(request.user, **form.cleaned_data)
            except (Conflict, Invalid) as problem:
                form.refuse(problem)
            else:
                return redirect("placement")
        return self._show(row, form)

    def _find(self, name: str | None) -> PriorityClass | None:
        check_admin(self.request.user)
        return priorities.get(self.request.user, name) if name else None

    def _show(self, row: PriorityClass | None, form: PriorityForm) -> HttpResponse:
        shown = {"row": row, "form": form}
        return render(self.request, "placement/priority.html", shown, status=422 if form.errors else 200)


class DeletePriority(Action):
    def act(self, request: HttpRequest, **kwargs: Any) -> str:
        check_admin(request.user)
        row = priorities.get(request.user, kwargs["priority"])
        priorities.delete(request.user, row)
        messages.success(request, _("Priority class %(name)s was deleted.") % {"name": row.name})
        return self.back(**kwargs)

    def back(self, **kwargs: Any) -> str:
        return reverse("placement")
