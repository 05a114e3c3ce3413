"""Certificates in the API. A private key goes in and never comes out."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.utils import timezone
from django.utils.translation import gettext as _
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from apps.applications.reading import strings
from apps.certificates import services
from apps.certificates.models import Certificate, Source, State
from apps.certificates.pem import MOST_NAMES
from apps.certificates.permissions import get_certificate
from apps.checks import text
from apps.errors import invalid
from apps.groups.models import Role
from apps.groups.permissions import get_group
from apps.rest.cursors import PAGE, answer_page, page_of
from apps.rest.serializers import Body, Flag, NameField, NoBody, checked
from apps.rest.views import Resource


class CertificateSerializer(serializers.Serializer):
    name = serializers.CharField()
    source = serializers.ChoiceField(Source.choices)
    state = serializers.SerializerMethodField()
    hosts = serializers.ListField(child=serializers.CharField(), help_text="What it names, or is to name")
    https_only = serializers.BooleanField(help_text="Requests in the clear for its hosts are sent to HTTPS")
    issuer = serializers.CharField()
    fingerprint = serializers.CharField(help_text="SHA-256")
    not_before = serializers.DateTimeField(allow_null=True)
    not_after = serializers.DateTimeField(allow_null=True)
    refused = serializers.DictField(
        child=serializers.CharField(), help_text="Why an edge does not serve it, by edge, as HAProxy says it"
    )
    failure = serializers.CharField(help_text="Why the last attempt to have it issued failed")
    failures = serializers.IntegerField(help_text="In a row")
    tried_at = serializers.DateTimeField(allow_null=True)
    due_at = serializers.DateTimeField(allow_null=True, help_text="When it is ordered next; null for uploaded ones")
    created_at = serializers.DateTimeField()

    @extend_schema_field(serializers.ChoiceField(State.choices))
    def get_state(self, certificate: Certificate) -> str:
        return certificate.state(timezone.now()).value


@extend_schema_field({"type": "string"})
class Text(serializers.Field):
    """Text that the service reads."""

    def to_internal_value(self, data: object) -> object:
        return checked(lambda value: text(value, settings.DATA_UPLOAD_MAX_MEMORY_SIZE), data)

    def to_representation(self, value: object) -> object:
        return value


@extend_schema_field({"type": "array", "items": {"type": "string"}, "minItems": 1})
class Hosts(serializers.Field):
    """A list whose entries the service checks."""

    def to_internal_value(self, data: object) -> object:
        return checked(strings(lambda host: host, MOST_NAMES), data)


class NewCertificate(Body):
    name = NameField()
    certificate = Text(required=False, help_text="PEM: the certificate, then those of its issuers; with `key`")
    key = Text(required=False, help_text="PEM: its private key, without a password. It is never shown again")
    hosts = Hosts(required=False, help_text="In place of these two: have ACME issue one for these hosts")
    https_only = Flag(required=False, default=False)


class CertificateChange(Body):
    certificate = Text(required=False, help_text="PEM: its successor; with `key`")
    key = Text(required=False)
    https_only = Flag(required=False)


class Certificates(Resource):
    query = PAGE

    @extend_schema(operation_id="certificates_list", responses=page_of(CertificateSerializer))
    def get(self, request: Request, group: str) -> Response:
        """The certificates of a group."""
        return answer_page(request, get_group(self.user, group).certificates.all(), CertificateSerializer, ["name"])

    @extend_schema(operation_id="certificates_create", request=NewCertificate, responses={201: CertificateSerializer})
    def post(self, request: Request, group: str) -> Response:
        """Upload a certificate with its key, or have ACME issue one for some hosts. For developers.

        Having one issued accepts the terms of the authority that is behind `BERTH_ACME_DIRECTORY`.
        """
        found, data = get_group(self.user, group, Role.DEVELOPER), self.body(NewCertificate)
        made = _make(self, found, data)
        return Response(CertificateSerializer(made).data, 201, headers={"Location": f"{request.path}/{made.name}"})


class CertificateDetail(Resource):
    @extend_schema(operation_id="certificates_get", responses=CertificateSerializer)
    def get(self, request: Request, group: str, certificate: str) -> Response:
        """One certificate, without its key."""
        return Response(CertificateSerializer(get_certificate(self.user, group, certificate)).data)

    @extend_schema(operation_id="certificates_change", request=CertificateChange, responses=CertificateSerializer)
    def patch(self, request: Request, group: str, certificate: str) -> Response:
        """Replace an uploaded certificate by its successor, or change what holds for its hosts. For developers."""
        found = get_certificate(self.user, group, certificate, Role.DEVELOPER)
        data = self.body(CertificateChange)
        if "certificate" in data or "key" in data:
            services.replace(self.user, found, *_pair(data))
        if "https_only" in data:
            services.set_https_only(self.user, found, data["https_only"])
        return Response(CertificateSerializer(found).data)

    @extend_schema(operation_id="certificates_delete", responses={204: None})
    def delete(self, request: Request, group: str, certificate: str) -> Response:
        """Delete a certificate; the edges serve its hosts without it. For developers."""
        services.delete(self.user, get_certificate(self.user, group, certificate, Role.DEVELOPER))
        return Response(status=204)


class Renewal(Resource):
    @extend_schema(operation_id="certificates_renew", request=NoBody, responses={202: CertificateSerializer})
    def post(self, request: Request, group: str, certificate: str) -> Response:
        """Have ACME issue it now, and not when it is its turn. For developers."""
        found = get_certificate(self.user, group, certificate, Role.DEVELOPER)
        self.body(NoBody)
        return Response(CertificateSerializer(services.renew(self.user, found)).data, 202)


def _make(view: Resource, group: Any, data: dict[str, Any]) -> Certificate:
    options = {"https_only": data["https_only"]}
    if "hosts" not in data:
        return services.upload(view.user, group, data["name"], *_pair(data), **options)
    for name in ("certificate", "key"):
        if name in data:
            raise invalid(name, "not_together", _("Give a certificate and its key, or hosts to have one issued for."))
    return services.request(view.user, group, data["name"], data["hosts"], **options)


def _pair(data: dict[str, Any]) -> tuple[object, object]:
    for name in ("certificate", "key"):
        if name not in data:
            raise invalid(name, "required", _("This is required."))
    return data["certificate"], data["key"]
