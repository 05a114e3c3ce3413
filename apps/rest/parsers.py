"""Reading request bodies: JSON, of bounded size."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import IO, Any

from django.conf import settings
from django.utils.translation import gettext as _
from rest_framework.exceptions import ParseError
from rest_framework.parsers import BaseParser

from apps.rest.problems import TooLarge


class JSON(BaseParser):
    """A JSON object. No body at all is an empty one."""

    media_type = "application/json"

    def parse(
        self, stream: IO[bytes], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        limit = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
        text = stream.read(limit + 1)
        if len(text) > limit:
            raise TooLarge(limit)
        try:
            value = json.loads(text or b"{}", parse_constant=_refuse)
        except RecursionError:
            raise ParseError(_("This is nested too deeply.")) from None
        except UnicodeDecodeError:
            raise ParseError(_("This is not UTF-8.")) from None
        except json.JSONDecodeError as error:
            where = {"line": error.lineno, "column": error.colno}
            raise ParseError(_("This is not JSON: the fault is in line %(line)s, column %(column)s.") % where) from None
        except ValueError:  # a number of thousands of digits
            raise ParseError(_("This holds a number that is none of JSON, or has too many digits.")) from None
        if not isinstance(value, dict):
            raise ParseError(_("The body is a JSON object."))
        return value


class MergePatch(JSON):
    """The same, said to be changes that merge (RFC 7396), which is what every PATCH here takes."""

    media_type = "application/merge-patch+json"


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")
