"""What edges do for an app, as forms (`spec_forms`): the rules for all of its requests, and one route."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.http import QueryDict
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from apps.applications import http_spec
from apps.applications.fields import LinesField, NumberField, SpecField
from apps.applications.spec_forms import Row, SpecPart, kept_and_new, refuse_row, sent
from apps.errors import FieldError
from scheduler.model import Protocol

RULES: Mapping[str, str] = {
    "http.rate": "rate",
    "http.max_body": "max_body",
    "http.allow": "allow",
    "http.timeout": "silence",
    "http.sticky": "sticky",
    "http.maintenance": "maintenance",
    "http.maintenance_text": "maintenance_text",
    "http.error_text": "error_text",
    "http.request_headers.set": "request_set",
    "http.request_headers.remove": "request_remove",
    "http.response_headers.set": "response_set",
    "http.response_headers.remove": "response_remove",
    "expose": "expose",
}
MESSAGES = ("request_headers", "response_headers")
ROUTE: Mapping[str, str] = {
    "host": "host",
    "path": "path",
    "extensions": "extensions",
    "rewrite": "rewrite",
    "redirect.scheme": "redirect_scheme",
    "redirect.host": "redirect_host",
    "redirect.path": "redirect_path",
    "redirect.permanent": "redirect_permanent",
}


class HeadersField(LinesField):
    """Headers with their values, one a line: `X-Frame-Options: DENY`."""

    def show(self, value: dict[str, str]) -> str:
        return "\n".join(f"{name}: {text}" for name, text in value.items())

    def read(self, text: str) -> dict[str, str]:
        headers: dict[str, str] = {}
        for line in super().read(text):
            name, _colon, value = line.partition(":")
            if name.strip() in headers:
                raise ValidationError(gettext("%(name)s stands there twice.") % {"name": name.strip()})
            headers[name.strip()] = value.strip()
        return headers


class RulesFields(SpecPart):
    """The rules that hold for all requests to an app. Users are rows whose passwords are never shown."""

    paths = RULES

    rate = NumberField(_("Rate limit"), _("Requests a second of one client's address"))
    max_body = SpecField(_("Largest body"), _("Such as 10MiB"))
    allow = LinesField(_("Allowed networks"), _("One a line; empty: everyone is let in"))
    silence = SpecField(_("Idle timeout"), _("How long an instance may say nothing"))
    sticky = forms.BooleanField(
        required=False, label=_("Sticky sessions"), help_text=_("A client stays with its instance, by a cookie")
    )
    maintenance = forms.BooleanField(
        required=False, label=_("Maintenance"), help_text=_("A page stands in for the app; its instances run on")
    )
    maintenance_text = SpecField(_("Maintenance text"), lines=2)
    error_text = SpecField(_("Error text"), _("On the pages for 502, 503 and 504"), lines=2)
    request_set = HeadersField(_("Request headers set"), _("For the app, one a line: X-Source: edge"))
    request_remove = LinesField(_("Request headers removed"), _("Names, one a line"))
    response_set = HeadersField(
        _("Response headers set"), _("For clients, one a line: Strict-Transport-Security: max-age=31536000")
    )
    response_remove = LinesField(_("Response headers removed"), _("Names, one a line"))
    expose = forms.BooleanField(
        required=False, label=_("Expose over TCP"), help_text=_("At a port of the edges; for TCP alone")
    )

    def __init__(self, data: QueryDict | None = None, *, spec: Mapping[str, Any]) -> None:
        spec = {"http": http_spec.defaults(), "expose": False, **spec}  # releases from before edges had options
        super().__init__(data, spec=spec)
        users = sorted(spec["http"]["users"])
        self.users = [Row(name, kept=True) for name in users] if data is None else sent(data, "user")

    def as_spec(self) -> dict[str, Any]:
        return self._with_users(super().as_spec())

    def changes(self) -> dict[str, Any]:
        changes = super().changes()
        for message in MESSAGES:
            headers = changes.get("http", {}).get(message, {})
            if "set" in headers:  # null removes those that are not there any more
                headers["set"] = dict.fromkeys(self._spec["http"][message]["set"]) | (headers["set"] or {})
        return self._with_users(changes)

    def refuse_field(self, error: FieldError) -> None:
        if refuse_row(error, "http.users", self.users):
            return
        path, _set, name = error.field.partition(".set.")
        if name and f"{path}.set" in self.paths:
            error = FieldError(f"{path}.set", error.code, f"{name}: {error.message}")
        super().refuse_field(error)

    @property
    def refused(self) -> bool:
        return super().refused or any(row.errors for row in self.users)

    def _with_users(self, spec: dict[str, Any]) -> dict[str, Any]:
        if users := kept_and_new(self._spec["http"]["users"], self.users):
            spec.setdefault("http", {})["users"] = users
        return spec


class RulesForm(RulesFields):
    """Those that an app with this protocol can have."""

    def __init__(self, data: QueryDict | None = None, *, spec: Mapping[str, Any]) -> None:
        http = spec["protocol"] == Protocol.HTTP
        self.paths = {path: name for path, name in RULES.items() if path.startswith("http.") == http}
        super().__init__(data, spec=spec)
        for name in set(RULES.values()) - set(self.paths.values()):
            del self.fields[name]

    @property
    def facts(self) -> list[tuple[Any, str]]:
        """What there is, by label; empty text: nothing."""
        shown = [(field.label, self._said(field)) for field in self]
        return (
            [*shown, (gettext("Users"), ", ".join(row.first for row in self.users))] if "rate" in self.fields else shown
        )

    def _said(self, field: forms.BoundField) -> str:
        if isinstance(field.field, forms.BooleanField):
            return gettext("yes") if field.initial else ""
        return str(field.field.prepare_value(field.initial))


class RouteForm(SpecPart):
    """One route. `index` says which of the app's routes a service's errors are about when they are about this one."""

    paths = ROUTE
    index = 0

    host = SpecField(_("Host"), _("A DNS name, such as web.example.com"), required=True)
    path = SpecField(_("Path"), _("And all below it. Empty: everything"))
    extensions = LinesField(
        _("Extensions"), _("Only paths that end in one of them, one a line: css. Such a route comes before all others")
    )
    rewrite = SpecField(_("Path that the app sees"), _("In place of the route's own; / strips it. Empty: as asked for"))
    redirect_scheme = forms.ChoiceField(
        required=False, label=_("New scheme"), choices=[("", _("as asked for")), ("https", "https"), ("http", "http")]
    )
    redirect_host = SpecField(_("New host"), _("Empty: as asked for"))
    redirect_path = SpecField(_("New path"), _("This very one. Empty: as asked for"))
    redirect_permanent = forms.BooleanField(
        required=False, label=_("Permanent"), help_text=_("308 rather than 307: browsers remember it")
    )

    def as_spec(self) -> dict[str, Any]:
        spec = super().as_spec()
        to = {name: value or None for name, value in spec["redirect"].items() if name != "permanent"}
        permanent = spec["redirect"]["permanent"]
        return {**spec, "redirect": {**to, "permanent": permanent} if any(to.values()) else None}

    def field_of(self, path: str) -> str:
        own = f"routes[{self.index}]"
        if path == own:
            return "host"
        if path == f"{own}.redirect":
            return "redirect_host"
        return super().field_of(path.removeprefix(f"{own}.")) if path.startswith(f"{own}.") else path

    @property
    def redirects(self) -> bool:
        """Whether the section about redirects holds something."""
        names = [name for name in self.fields if name.startswith("redirect_")]
        return any(self[name].value() or self.errors.get(name) for name in names)
