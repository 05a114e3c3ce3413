"""What names, images, hosts, paths and environment names may look like. Each check returns the normal form.

These values end up in HAProxy's configuration, in engine calls and in etcd's keys, so what may be in them is listed
and all else is refused. A check raises `Wrong`.
"""

from __future__ import annotations

import ipaddress
import re

import idna
from django.conf import settings
from django.utils.translation import gettext as _

from apps import checks
from apps.checks import Wrong, text

_DOMAIN = r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?"
_PART = r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*"
# the reference grammar of the container registries, and a bare image id
_IMAGE = re.compile(
    rf"(?:(?:{_DOMAIN})(?:\.{_DOMAIN})*(?::[0-9]{{1,5}})?/)?{_PART}(?:/{_PART})*"
    r"(?::[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?(?:@sha256:[0-9a-f]{64})?"
    r"|sha256:[0-9a-f]{64}",
    re.ASCII,
)
_HOST_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?", re.ASCII)
# as a host's last label: browsers take the host for an address, and write it as one before they ask
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*", re.ASCII)
_ENCODED = "%[0-9A-Fa-f]{2}"
_ROUTE_PATH = re.compile(rf"(?:/(?:[A-Za-z0-9._~@:+,-]|{_ENCODED})+)*", re.ASCII)
_HEALTH_PATH = re.compile(rf"/(?:[A-Za-z0-9._~@:+,/?&=-]|{_ENCODED})*", re.ASCII)
_ENV_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,254}", re.ASCII)
_LABEL_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]{0,62}", re.ASCII)


def name(value: object) -> str:
    """The name of a group, app or node."""
    return checks.name(value)


def image(value: object) -> str:
    reference = text(value, 255)
    if not _IMAGE.fullmatch(reference):
        raise Wrong("invalid_image", _("An image is named like “registry/name:tag” or “name@sha256:…”."))
    return reference


def host(value: object) -> str:
    """A host that an app may be served under, as `dns_name` has it."""
    name = dns_name(value)
    if _is_panels(name):
        # cookies know no ports: an app at the panel's name would be sent the sessions of its users
        raise Wrong("reserved_host", _("This is the panel's own host."))
    return name


def dns_name(value: object) -> str:
    """The host as it is on the wire: lower case, without a trailing dot, other scripts in their ASCII form."""
    wrong = Wrong("invalid_host", _("A host is a DNS name such as “web.example.com”, without wildcard or port."))
    name = text(value, 1000).removesuffix(".")
    if not name.isascii():
        try:
            name = idna.encode(name, uts46=True).decode()
        except idna.IDNAError:
            raise wrong from None
    name = name.lower()
    labels = name.split(".")
    if len(name) > 253 or not all(map(_HOST_LABEL.fullmatch, labels)):
        raise wrong
    if _NUMBER.fullmatch(labels[-1]) and not _is_address(name):
        raise wrong
    return name


def _is_address(name: str) -> bool:
    try:
        ipaddress.IPv4Address(name)
    except ValueError:
        return False
    return True


def route_path(value: object) -> str:
    """A path prefix of whole segments, without a trailing slash; `/` is everything."""
    path = text(value, 200).rstrip("/")
    if not _ROUTE_PATH.fullmatch(path) or {".", ".."} & set(path.split("/")):
        said = _("A path starts with / and has letters, digits and . _ ~ % @ : + , - in between.")
        raise Wrong("invalid_path", _encoded(path) or said)
    return path or "/"


def health_path(value: object) -> str:
    path = text(value, 200)
    if not _HEALTH_PATH.fullmatch(path):
        said = _("A health path starts with / and has no spaces, quotes or other special signs.")
        raise Wrong("invalid_path", _encoded(path) or said)
    return path


def _encoded(path: str) -> str:
    """That a percent sign stands alone, if one does."""
    alone = re.search("%(?![0-9A-Fa-f]{2})", path)
    return _("A percent sign in a path is followed by two hexadecimal digits.") if alone else ""


def env_name(value: str) -> str:
    if not _ENV_NAME.fullmatch(value):
        raise Wrong("invalid_name", _("A variable's name has letters, digits and _ . - and starts with no digit."))
    return value


def label_name(value: object) -> str:
    name = text(value, 63)
    if not _LABEL_NAME.fullmatch(name):
        raise Wrong("invalid_label", _("A label's name has letters, digits and . _ - /"))
    return name


def _is_panels(name: str) -> bool:
    for allowed in settings.ALLOWED_HOSTS:
        panels = allowed.lower()
        if name == panels or (panels.startswith(".") and (name == panels[1:] or name.endswith(panels))):
            return True
    return False
