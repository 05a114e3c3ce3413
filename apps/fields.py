"""Names and their grammar, shared by every model that has one."""

import re

from django.core.validators import RegexValidator
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from apps.errors import invalid

NAME_PATTERN = r"[a-z]([a-z0-9-]{0,38}[a-z0-9])?"
# Names with a meaning of their own: in addresses of the panel, in a container's DNS, or for Berth itself.
RESERVED = frozenset({"all", "berth", "gateway", "host", "localhost", "new", "none", "system"})

_NAME = re.compile(NAME_PATTERN)
_GRAMMAR = gettext_lazy(
    "A name has 1 to 40 lower-case letters, digits and hyphens, starts with a letter and ends with no hyphen."
)

validate_name = RegexValidator(rf"\A{NAME_PATTERN}\Z", _GRAMMAR, code="invalid_name")


def check_name(name: object, field: str = "name") -> str:
    """The name, if it is one that may be given to something new. Raises `Invalid`."""
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise invalid(field, "invalid_name", str(_GRAMMAR))
    if name in RESERVED:
        raise invalid(field, "reserved_name", _("This name is reserved."))
    return name
