"""The pages of certificates: a group's, one of them, and the forms for a new one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from apps.accounts.models import User
from apps.applications.fields import LinesField
from apps.applications.models import Route
from apps.certificates import services
from apps.certificates.models import Certificate, State
from apps.certificates.permissions import get_certificate
from apps.errors import Conflict, Invalid
from apps.groups.models import Role
from apps.groups.pages import group_context
from apps.panel.forms import PanelForm, name_field
from apps.panel.page import Action, Context, LivePage, Page, live_url

TONES = {
    State.VALID: "good",
    State.PENDING: "busy",
    State.EXPIRING: "warn",
    State.FAILED: "bad",
    State.EXPIRED: "bad",
    State.REFUSED: "bad",
}


class HttpsOnlyForm(PanelForm):
    https_only = forms.BooleanField(
        label=gettext_lazy("HTTPS only"),
        help_text=gettext_lazy("Requests in the clear for its hosts are sent to HTTPS."),
        required=False,
    )


class PairForm(PanelForm):
    certificate = forms.CharField(
        label=gettext_lazy("Certificate"),
        help_text=gettext_lazy("PEM: the certificate, then those of its issuers."),
        widget=forms.Textarea(attrs={"rows": 6, "spellcheck": "false"}),
    )
    key = forms.CharField(
        label=gettext_lazy("Private key"),
        help_text=gettext_lazy("PEM, without a password. It is kept encrypted and never shown again."),
        widget=forms.Textarea(attrs={"rows": 4, "spellcheck": "false"}),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # a refused form comes back without the key: it is in no page, not even in that of whoever gave it
        self.fields["key"].widget.format_value = lambda _value: ""


class UploadForm(PairForm, HttpsOnlyForm):
    name = name_field(label=gettext_lazy("Name"))
    field_order = ("name",)


class RequestForm(HttpsOnlyForm):
    name = name_field(label=gettext_lazy("Name"))
    hosts = LinesField(gettext_lazy("Hosts"), gettext_lazy("One a line; each is a host of a route of the group."))
    field_order = ("name",)

    def field_of(self, path: str) -> str:
        return path.partition("[")[0]


def shown(certificate: Certificate) -> Certificate:
    """With its state in words and colour."""
    state = certificate.state(timezone.now())
    certificate.state_label, certificate.tone = state.label, TONES[state]
    return certificate


class CertificateList(LivePage):
    template = "certificates/list.html"
    regions = ("certificates/table",)

    def context(self, user: User, query: QueryDict, **kwargs: Any) -> Context:
        context = group_context(user, kwargs["group"])
        return {**context, "certificates": [shown(each) for each in context["group"].certificates.all()]}

    def topics(self, context: Mapping[str, Any]) -> set[str]:
        return {f"group.{context['group'].pk}"}


class NewCertificate(Page):
    """Two forms: which of them was sent, `how` says."""

    def get(self, request: HttpRequest, group: str) -> HttpResponse:
        context = group_context(request.user, group, Role.DEVELOPER)
        hosts = Route.objects.filter(app__group=context["group"]).order_by("host").values_list("host", flat=True)
        wanted = RequestForm(initial={"hosts": list(dict.fromkeys(hosts))}, auto_id="id_acme_%s")
        return self._show(context, UploadForm(), wanted)

    def post(self, request: HttpRequest, group: str) -> HttpResponse:
        context = group_context(request.user, group, Role.DEVELOPER)
        asks = request.POST.get("how") == "request"
        upload = UploadForm(None if asks else request.POST)
        wanted = RequestForm(request.POST if asks else None, auto_id="id_acme_%s")
        form: PanelForm = wanted if asks else upload
        call: Callable[..., Certificate] = services.request if asks else services.upload
        if form.is_valid():
            given = dict(form.cleaned_data)
            try:
                made = call(request.user, context["group"], given.pop("name"), **given)
            except (Conflict, Invalid) as problem:
                form.refuse(problem)
            else:
                return redirect("certificate", group, made.name)
        return self._show(context, upload, wanted)

    def _show(self, context: Context, upload: UploadForm, wanted: RequestForm) -> HttpResponse:
        status = 422 if upload.errors or wanted.errors else 200
        given = {**context, "upload": upload, "wanted": wanted}
        return render(self.request, "certificates/new.html", given, status=status)


class CertificatePage(LivePage):
    template = "certificates/page.html"
    regions = ("certificates/body",)

    def context(self, user: User, query: QueryDict, **kwargs: Any) -> Context:
        context = group_context(user, kwargs["group"])
        found = get_certificate(user, kwargs["group"], kwargs["certificate"])
        return {**context, "certificate": shown(found), "form": PairForm()}

    def topics(self, context: Mapping[str, Any]) -> set[str]:
        return {f"group.{context['group'].pk}"}

    def post(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        """An uploaded one's successor."""
        found = get_certificate(request.user, kwargs["group"], kwargs["certificate"], Role.DEVELOPER)
        form = PairForm(request.POST)
        if form.is_valid():
            try:
                services.replace(request.user, found, **form.cleaned_data)
            except (Conflict, Invalid) as problem:
                form.refuse(problem)
            else:
                messages.success(request, _("The certificate was replaced."))
                return redirect("certificate", kwargs["group"], found.name)
        context = {**self.context(request.user, request.GET, **kwargs), "form": form, "live_url": live_url(request)}
        return render(request, self.template, context, status=422)


class CertificateAction(Action):
    def act(self, request: HttpRequest, **kwargs: Any) -> str:
        found = get_certificate(request.user, kwargs["group"], kwargs["certificate"], Role.DEVELOPER)
        self.change(request, found)
        return self.back(**kwargs)

    def change(self, request: HttpRequest, found: Certificate) -> None:
        raise NotImplementedError

    def back(self, **kwargs: Any) -> str:
        return reverse("certificate", args=[kwargs["group"], kwargs["certificate"]])


class Renew(CertificateAction):
    def change(self, request: HttpRequest, found: Certificate) -> None:
        services.renew(request.user, found)


class SetHttpsOnly(CertificateAction):
    def change(self, request: HttpRequest, found: Certificate) -> None:
        services.set_https_only(request.user, found, request.POST.get("https_only") == "1")


class DeleteCertificate(CertificateAction):
    def act(self, request: HttpRequest, **kwargs: Any) -> str:
        super().act(request, **kwargs)
        return reverse("certificates", args=[kwargs["group"]])

    def change(self, request: HttpRequest, found: Certificate) -> None:
        services.delete(request.user, found)
        messages.success(request, _("Certificate %(name)s was deleted.") % {"name": found.name})
