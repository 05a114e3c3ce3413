"""For admins: everyone who may log in, and what can be done with them."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import messages
from django.db.models import Count
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from apps.accounts import users
from apps.accounts.models import User
from apps.errors import Conflict, Invalid, NotFound
from apps.groups.permissions import check_admin
from apps.panel.forms import PanelForm
from apps.panel.page import Action, Page


def _password(label: Any) -> forms.CharField:
    return forms.CharField(
        label=label,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
        help_text=gettext_lazy("At least 10 characters. They can change it after logging in."),
    )


class UserForm(PanelForm):
    username = forms.CharField(
        label=gettext_lazy("User name"), help_text=gettext_lazy("Letters, digits and . _ @ + -; 64 at most")
    )
    email = forms.EmailField(label=gettext_lazy("Email"), required=False)
    password = _password(gettext_lazy("First password"))
    admin = forms.BooleanField(label=gettext_lazy("Admin: sees every group, enrols nodes, sets quotas"), required=False)


class UsersPage(Page):
    def get(self, request: HttpRequest) -> HttpResponse:
        check_admin(request.user)
        return self._show(UserForm())

    def post(self, request: HttpRequest) -> HttpResponse:
        check_admin(request.user)
        form = UserForm(request.POST)
        if form.is_valid():
            try:
                user = users.create_user(request.user, **form.cleaned_data)
            except (Conflict, Invalid) as problem:
                form.refuse(problem)
            else:
                messages.success(request, _("User %(name)s was created.") % {"name": user.username})
                return redirect("users")
        return self._show(form)

    def _show(self, form: UserForm) -> HttpResponse:
        everyone = User.objects.annotate(group_count=Count("memberships")).order_by("username")
        shown = {"form": form, "users": everyone}
        return render(self.request, "accounts/users.html", shown, status=422 if form.errors else 200)


class PasswordForm(PanelForm):
    password = _password(gettext_lazy("New password"))


class UserPage(Page):
    """One user. Its form sets their password anew."""

    def get(self, request: HttpRequest, user: int) -> HttpResponse:
        return self._show(_user(request, user), PasswordForm())

    def post(self, request: HttpRequest, user: int) -> HttpResponse:
        found, form = _user(request, user), PasswordForm(request.POST)
        if form.is_valid():
            try:
                users.set_password(request.user, found, form.cleaned_data["password"])
            except Invalid as problem:
                form.refuse(problem)
            else:
                said = _("The password of %(name)s was set. Their sessions have ended.")
                messages.success(request, said % {"name": found.username})
                return redirect("user", user)
        return self._show(found, form)

    def _show(self, found: User, form: PasswordForm) -> HttpResponse:
        shown = {
            "found": found,
            "memberships": found.memberships.select_related("group").order_by("group__name"),
            "tokens": found.api_tokens.count(),
            "form": form,
        }
        answer = render(self.request, "accounts/user.html", shown, status=422 if form.errors else 200)
        answer["Cache-Control"] = "no-store"
        return answer


class UserAction(Action):
    def act(self, request: HttpRequest, **kwargs: Any) -> str:
        self.change(request, _user(request, kwargs["user"]))
        return self.back(**kwargs)

    def change(self, request: HttpRequest, user: User) -> None:
        """Raises every `Problem`."""
        raise NotImplementedError

    def back(self, **kwargs: Any) -> str:
        return reverse("user", args=[kwargs["user"]])


class SetActive(UserAction):
    active = True

    def change(self, request: HttpRequest, user: User) -> None:
        users.set_active(request.user, user, self.active)


class SetAdmin(UserAction):
    admin = True

    def change(self, request: HttpRequest, user: User) -> None:
        users.set_admin(request.user, user, self.admin)


class DeleteUser(UserAction):
    def act(self, request: HttpRequest, **kwargs: Any) -> str:
        super().act(request, **kwargs)
        return reverse("users")

    def change(self, request: HttpRequest, user: User) -> None:
        users.delete_user(request.user, user)
        messages.success(request, _("User %(name)s was deleted.") % {"name": user.username})


def _user(request: HttpRequest, pk: int) -> User:
    check_admin(request.user)
    found = User.objects.filter(pk=pk).first()
    if found is None:
        raise NotFound
    return found
