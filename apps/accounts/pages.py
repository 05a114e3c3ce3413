"""The reader's own account with its API tokens, and for admins everyone else's."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.auth import views as auth
from django.contrib.auth.forms import AuthenticationForm, PasswordChangeForm
from django.db.models import Count
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse, reverse_lazy
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from apps.accounts import services
from apps.accounts.models import User
from apps.errors import Conflict, Invalid, NotFound
from apps.groups.permissions import check_admin
from apps.panel.forms import PanelForm
from apps.panel.page import Action, Page


class LoginForm(AuthenticationForm, PanelForm):
    """Django's own, looking like the panel."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["username"].widget.attrs["autocomplete"] = "username"
        self.fields["password"].widget.attrs["autocomplete"] = "current-password"


class Login(auth.LoginView):
    template_name = "accounts/login.html"
    authentication_form = LoginForm
    redirect_authenticated_user = True


class TokenForm(PanelForm):
    name = forms.CharField(label=gettext_lazy("Name"), help_text=gettext_lazy("What it is for, such as ci-deploy"))
    days = forms.TypedChoiceField(
        label=gettext_lazy("Valid for"),
        coerce=int,
        choices=[
            (30, gettext_lazy("30 days")),
            (90, gettext_lazy("90 days")),
            (365, gettext_lazy("1 year")),
            (0, gettext_lazy("ever")),
        ],
        initial=90,
    )

    def field_of(self, path: str) -> str:
        return {"expires_at": "days"}.get(path, path)


class AccountPage(Page):
    """A new token is shown in the very answer that makes it, and nowhere else."""

    def get(self, request: HttpRequest) -> HttpResponse:
        return self._show(TokenForm())

    def post(self, request: HttpRequest) -> HttpResponse:
        form = TokenForm(request.POST)
        if form.is_valid():
            days = form.cleaned_data["days"]
            expires_at = timezone.now() + timedelta(days=days) if days else None
            try:
                token, secret = services.create_token(request.user, form.cleaned_data["name"], expires_at)
            except (Conflict, Invalid) as problem:
                form.refuse(problem)
            else:
                return self._show(TokenForm(), token=token, secret=secret)
        return self._show(form)

    def _show(self, form: TokenForm, **more: Any) -> HttpResponse:
        tokens = self.request.user.api_tokens.order_by("name")
        shown = {"form": form, "tokens": tokens, "now": timezone.now(), **more}
        answer = render(self.request, "accounts/account.html", shown, status=422 if form.errors else 200)
        answer["Cache-Control"] = "no-store"
        return answer


class RevokeToken(Action):
    def act(self, request: HttpRequest, **kwargs: Any) -> str:
        token = request.user.api_tokens.filter(pk=kwargs["token"]).first()
        if token is None:
            raise NotFound
        services.revoke_token(request.user, token)
        messages.success(request, _("The token %(name)s no longer works.") % {"name": token.name})
        return self.back(**kwargs)

    def back(self, **kwargs: Any) -> str:
        return reverse("account")


class PasswordForm(PasswordChangeForm, PanelForm):
    """Django's own, looking like the panel."""


class Password(Page, auth.PasswordChangeView):
    template_name = "accounts/password.html"
    form_class = PasswordForm
    success_url = reverse_lazy("account")

    def form_valid(self, form: PasswordForm) -> HttpResponse:
        messages.success(self.request, _("Your password was changed. Your other sessions have ended."))
        return super().form_valid(form)


class UserForm(PanelForm):
    username = forms.CharField(label=gettext_lazy("User name"))
    email = forms.EmailField(label=gettext_lazy("Email"), required=False)
    password = forms.CharField(
        label=gettext_lazy("First password"),
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
        help_text=gettext_lazy("At least 10 characters. They can change it after logging in."),
    )
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
                user = services.create_user(request.user, **form.cleaned_data)
            except (Conflict, Invalid) as problem:
                form.refuse(problem)
            else:
                messages.success(request, _("User %(name)s was created.") % {"name": user.username})
                return redirect("users")
        return self._show(form)

    def _show(self, form: UserForm) -> HttpResponse:
        users = User.objects.annotate(group_count=Count("memberships")).order_by("username")
        return render(
            self.request, "accounts/users.html", {"form": form, "users": users}, status=422 if form.errors else 200
        )


class SetActive(Action):
    active = True

    def act(self, request: HttpRequest, **kwargs: Any) -> str:
        check_admin(request.user)
        user = User.objects.filter(pk=kwargs["user"]).first()
        if user is None:
            raise NotFound
        services.set_active(request.user, user, self.active)
        return self.back(**kwargs)

    def back(self, **kwargs: Any) -> str:
        return reverse("users")
