"""Logging in and out, and the reader's own account with its API tokens."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django import forms
from django.conf import settings
from django.contrib import messages
from django.contrib.auth import views as auth
from django.contrib.auth.forms import AuthenticationForm, PasswordChangeForm
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse, reverse_lazy
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext, pgettext_lazy

from apps.accounts import logins, services, users
from apps.errors import Conflict, Invalid, NotFound
from apps.panel import live
from apps.panel.forms import PanelForm
from apps.panel.page import Action, Page

KNOWN_BROWSER = "berth_known"  # the cookie of a browser in which someone has logged in


class LoginForm(AuthenticationForm, PanelForm):
    """Django's own, looking like the panel; failures lead to pauses (`apps.accounts.logins`)."""

    paused = 0  # seconds

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["username"].widget.attrs["autocomplete"] = "username"
        self.fields["password"].widget.attrs["autocomplete"] = "current-password"

    def clean(self) -> dict[str, Any]:
        """Look at the password, unless too many wrong ones came before it."""
        username, now = self.cleaned_data.get("username"), timezone.now()
        if not username or not self.cleaned_data.get("password"):
            return super().clean()
        address, cookie = self.request.META.get("REMOTE_ADDR", ""), self.request.COOKIES.get(KNOWN_BROWSER, "")
        try:
            attempt = logins.begin(username, address, cookie, now)
        except logins.Paused as paused:
            self.paused = paused.seconds
            raise ValidationError(_paused(paused.seconds), code="paused") from None
        try:
            cleaned = super().clean()
        except ValidationError:
            logins.failed(attempt)
            raise
        logins.succeeded(attempt)
        return cleaned


def _paused(seconds: int) -> str:
    said = ngettext(
        "Too many attempts failed. Try again in %(seconds)s second.",
        "Too many attempts failed. Try again in %(seconds)s seconds.",
        seconds,
    )
    return said % {"seconds": seconds}


class Login(auth.LoginView):
    template_name = "accounts/login.html"
    authentication_form = LoginForm
    redirect_authenticated_user = True

    def form_valid(self, form: LoginForm) -> HttpResponse:
        answer = super().form_valid(form)
        answer.set_cookie(
            KNOWN_BROWSER,
            logins.mark(form.get_user().get_username()),
            max_age=logins.KNOWN_FOR,
            path=reverse("login"),
            secure=settings.SESSION_COOKIE_SECURE,
            httponly=True,
            samesite="Lax",
        )
        return answer

    def form_invalid(self, form: LoginForm) -> HttpResponse:
        if not form.paused:
            return super().form_invalid(form)
        answer = self.render_to_response(self.get_context_data(form=form), status=429)
        answer["Retry-After"] = str(form.paused)
        return answer


class Logout(auth.LogoutView):
    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        left = request.user.pk
        answer = super().post(request, *args, **kwargs)
        if left is not None:
            live.announce(users.topic(left))  # pages that are open in the session close
        return answer


class TokenForm(PanelForm):
    name = forms.CharField(label=gettext_lazy("Name"), help_text=gettext_lazy("What it is for, such as ci-deploy"))
    days = forms.TypedChoiceField(
        label=gettext_lazy("Expires after"),
        coerce=int,
        choices=[
            (30, gettext_lazy("30 days")),
            (90, gettext_lazy("90 days")),
            (365, gettext_lazy("1 year")),
            (0, pgettext_lazy("expiry", "never")),
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
        answer = super().form_valid(form)
        live.announce(users.topic(self.request.user.pk))  # pages that are open in the other sessions close
        messages.success(self.request, _("Your password was changed. Your other sessions have ended."))
        return answer
