"""What all views of the API share: who asks, JSON in and out, dry runs, idempotency keys, problems.

A view translates and makes one call; what it raises becomes a problem body (`apps.rest.problems`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.db import transaction
from django.http import HttpRequest, HttpResponseBase
from django.utils.translation import gettext as _
from rest_framework import exceptions
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.parsers import BaseParser
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import Serializer
from rest_framework.views import APIView

from apps.accounts.models import User
from apps.errors import Invalid
from apps.groups.permissions import check_admin
from apps.rest import idempotency, parameters, problems
from apps.rest.models import IdempotencyKey
from apps.rest.parameters import Parameter
from apps.rest.parsers import MergePatch
from apps.rest.refusals import refusals

CHANGES = ("POST", "PUT", "PATCH", "DELETE")
READS = ("GET", "HEAD")
DRY_RUN = parameters.flag("dry_run", "Answer as if, and change nothing")


class AlwaysJSON(BaseContentNegotiation):
    """Answers are JSON, whatever the client says it would rather have."""

    def select_parser(self, request: Request, parsers: list[Any]) -> Any:
        wanted = request.content_type.partition(";")[0].strip().lower()
        return next((parser for parser in parsers if parser.media_type == wanted), None)

    def select_renderer(
        self, request: Request, renderers: list[BaseRenderer], format_suffix: str | None = None
    ) -> tuple[BaseRenderer, str]:
        return renderers[0], renderers[0].media_type


class Resource(APIView):
    """One address of the API."""

    content_negotiation_class = AlwaysJSON
    metadata_class = None
    # whether the view makes its own dry runs; the others' changes are made and rolled back
    plans = False
    key: IdempotencyKey | None = None
    query: Sequence[Parameter] = ()  # of a GET

    @property
    def parameters(self) -> Sequence[Parameter]:
        """Those that the request may have."""
        if self.request.method in CHANGES:
            return (DRY_RUN,)
        return self.query if self.request.method in READS else ()

    @property
    def user(self) -> User:
        return self.request.user

    @property
    def dry_run(self) -> bool:
        if self.request.method not in CHANGES:
            return False
        return bool(DRY_RUN.of(self.request.GET))

    def body(self, serializer: type[Serializer]) -> dict[str, Any]:
        """The request's body, checked. Raises `Invalid`."""
        read = serializer(data=self.request.data)
        if not read.is_valid():
            raise Invalid(refusals(read, read.errors))
        return read.validated_data

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        limit = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
        length = request.META.get("CONTENT_LENGTH") or "0"
        if length.isascii() and length.isdigit() and int(length) > limit:
            raise problems.TooLarge(limit)
        # a typing error must not make a trial real, nor a list one of everything
        if wrong := tuple(parameters.refusals(request.GET, self.parameters)):
            raise Invalid(wrong)
        name = request.headers.get(idempotency.HEADER)
        if request.method == "POST" and name is not None and not self.dry_run:
            self.key = idempotency.claim(request.user, name, request._request)

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        response = self._dispatch(request, *args, **kwargs)
        # after an exception the key stays without an answer: what was changed is unknown
        if self.key is not None and response.status_code < 300:
            response.render()
            idempotency.keep(self.key, response)
        elif self.key is not None:
            idempotency.release(self.key)
        return response

    def handle_exception(self, error: Exception) -> HttpResponseBase:
        if isinstance(error, idempotency.Replay):
            return error.response
        return super().handle_exception(error)

    def get_parsers(self) -> list[BaseParser]:
        patch = self.request is not None and self.request.method == "PATCH"
        return [*super().get_parsers(), *([MergePatch()] if patch else [])]

    def options(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Which methods the address knows: `Allow`, which every answer carries."""
        return Response(status=204)

    def get_exception_handler(self) -> Any:
        return problems.handle

    def http_method_not_allowed(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        raise exceptions.MethodNotAllowed(request.method or "")

    def _dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if self.plans or request.method not in CHANGES or "dry_run" not in request.GET:
            return super().dispatch(request, *args, **kwargs)
        with transaction.atomic():
            response = super().dispatch(request, *args, **kwargs)
            transaction.set_rollback(response.status_code >= 400 or self.dry_run)
        return response


class AdminResource(Resource):
    """One that is for admins alone."""

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        check_admin(request.user)


class Unknown(Resource):
    """Every address below the API that is none."""

    schema = None

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super(Resource, self).initial(request, *args, **kwargs)  # who asks counts here, and not what
        raise exceptions.NotFound(_("There is no such address."))
