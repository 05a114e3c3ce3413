"""Names and their grammar, shared by every model that has one."""

from django.core.validators import RegexValidator
from django.utils.translation import gettext_lazy as _

NAME_PATTERN = r"[a-z]([a-z0-9-]{0,38}[a-z0-9])?"

validate_name = RegexValidator(
    rf"\A{NAME_PATTERN}\Z",
    _("A name has 1 to 40 lower-case letters, digits and hyphens, starts with a letter and ends with no hyphen."),
    code="invalid_name",
)
