"""Every error of the API as a problem body (RFC 9457): what services refuse, what the framework refuses, and faults.

    {"type": "urn:berth:problem:over_quota", "title": "Conflict", "status": 409, "code": "over_quota",
     "detail": "Over the quota of the group: …", "errors": [{"field": "resources.cpu", "code": …, "message": …}]}

`code` is stable. `errors` is there for every problem and empty where no field is to blame.
"""

from __future__ import annotations

from collections.abc import Iterable
from http import HTTPStatus
from typing import Any

import structlog
from django.core.exceptions import PermissionDenied, RequestDataTooBig
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.utils.translation import gettext as _
from django.views import defaults
from rest_framework import exceptions
from rest_framework.response import Response

from apps.errors import Conflict, FieldError, Forbidden, Invalid, NotFound, Problem

MEDIA_TYPE = "application/problem+json"
API = "/api/"
STATUS: dict[type[Problem], int] = {NotFound: 404, Forbidden: 403, Conflict: 409, Invalid: 422}
_CODES = {
    exceptions.ParseError: "malformed",
    exceptions.NotAuthenticated: "not_authenticated",
    exceptions.AuthenticationFailed: "authentication_failed",
    exceptions.PermissionDenied: "forbidden",
    exceptions.NotFound: "not_found",
    exceptions.MethodNotAllowed: "method_not_allowed",
    exceptions.NotAcceptable: "not_acceptable",
    exceptions.UnsupportedMediaType: "unsupported_media_type",
    exceptions.Throttled: "throttled",
}

log = structlog.get_logger(__name__)


class TooLarge(exceptions.APIException):
    status_code = 413
    default_code = "too_large"

    def __init__(self, limit: int) -> None:
        super().__init__(_("A request body has at most %(limit)s bytes.") % {"limit": limit})


def body(status: int, code: str, detail: str, errors: Iterable[FieldError] = ()) -> dict[str, Any]:
    return {
        "type": f"urn:berth:problem:{code}",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "code": code,
        "detail": detail,
        "errors": [{"field": e.field, "code": e.code, "message": e.message} for e in errors],
    }


def handle(error: Exception, context: dict[str, Any]) -> Response | None:
    """REST framework's exception handler. None: a fault of Berth's own, which Django answers and logs."""
    if isinstance(error, Problem):
        status = next(status for kind, status in STATUS.items() if isinstance(error, kind))
        return _response(body(status, error.code, str(error), error.errors))
    if isinstance(error, Http404):
        return _response(body(404, NotFound.code, str(NotFound())))
    if isinstance(error, PermissionDenied):
        return _response(body(403, Forbidden.code, str(error) or str(Forbidden())))
    if isinstance(error, exceptions.APIException):
        code = _CODES.get(type(error), error.default_code)
        response = _response(body(error.status_code, code, str(error.detail)))
        if challenge := getattr(error, "auth_header", None):
            response["WWW-Authenticate"] = challenge
        if wait := getattr(error, "wait", None):
            response["Retry-After"] = str(wait)
        return response
    return None


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Django's handler400, for what is refused before a view is reached."""
    if not request.path.startswith(API):
        return defaults.bad_request(request, exception)
    if isinstance(exception, RequestDataTooBig):
        return _json(body(413, "too_large", str(exception)))
    return _json(body(400, "malformed", _("This request cannot be understood.")))


def server_error(request: HttpRequest) -> HttpResponse:
    """Django's handler500. What went wrong is in the log and nowhere else."""
    if not request.path.startswith(API):
        return defaults.server_error(request)
    return _json(body(500, "internal", _("Something went wrong in Berth; its log says what.")))


def _response(problem: dict[str, Any]) -> Response:
    return Response(problem, status=problem["status"], content_type=MEDIA_TYPE)


def _json(problem: dict[str, Any]) -> JsonResponse:
    return JsonResponse(problem, status=problem["status"], content_type=MEDIA_TYPE)
