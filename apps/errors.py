"""What a service refuses, and why, in words for whoever asked.

    Problem
      NotFound    there is no such thing, or it is not for this user's eyes
      Forbidden   the user sees it and may not do this with it
      Invalid     one or more fields of the request are wrong; `errors` names each by its path
      Conflict    the request is fine and does not go together with how things are; `code` says how, `errors` which
                  fields would have to be different, if any

Services raise these and nothing else on account of a request. The API and the pages turn them into answers
(`apps.rest.problems`). Every message is translated and complete.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from django.utils.translation import gettext as _


@dataclass(frozen=True, slots=True)
class FieldError:
    """One wrong field: its path (`health.path`, `routes[0].host`, `env.FOO`), a stable code and a sentence."""

    field: str
    code: str
    message: str


class Problem(Exception):
    """The root. `code` is stable and for programs, `str()` is a sentence for people."""

    code = "problem"

    def __init__(self, message: str, code: str = "", errors: Iterable[FieldError] = ()) -> None:
        super().__init__(message)
        self.code = code or self.code
        self.errors = tuple(errors)


class NotFound(Problem):
    code = "not_found"

    def __init__(self, message: str = "") -> None:
        super().__init__(message or _("There is no such thing here."))


class Forbidden(Problem):
    code = "forbidden"

    def __init__(self, message: str = "") -> None:
        super().__init__(message or _("Your role does not allow this."))


class Conflict(Problem):
    code = "conflict"


class Invalid(Problem):
    code = "invalid"

    def __init__(self, errors: Iterable[FieldError], code: str = "") -> None:
        errors = tuple(errors)
        super().__init__(" ".join(f"{e.field}: {e.message}" for e in errors), code, errors)


def invalid(field: str, code: str, message: str) -> Invalid:
    """An `Invalid` about a single field."""
    return Invalid([FieldError(field, code, message)])


def conflict(field: str, code: str, message: str) -> Conflict:
    """A `Conflict` that another value of a single field would avoid."""
    return Conflict(message, code, [FieldError(field, code, message)])
