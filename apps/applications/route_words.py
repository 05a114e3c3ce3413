"""What a route does with requests, in sentences."""

from __future__ import annotations

from django.utils.translation import gettext as _

from scheduler.routing import Redirect, Route


def described(route: Route) -> list[str]:
    """The most limiting first."""
    said = []
    if route.extensions:
        listed = ", ".join(f".{each}" for each in route.extensions)
        said.append(_("Only paths that end in %(extensions)s.") % {"extensions": listed})
    if route.redirect is not None:
        to = {"to": target(route, route.redirect)}
        permanent = _("Redirects to %(to)s, permanently.") % to
        said.append(permanent if route.redirect.permanent else _("Redirects to %(to)s.") % to)
    elif route.rewrite:
        paths = {"path": route.path, "rewrite": route.rewrite}
        said.append(_("The app sees %(rewrite)s in place of %(path)s.") % paths)
    else:
        said.append(_("Passes requests on to the app."))
    return said


def target(route: Route, to: Redirect) -> str:
    """Where a redirect leads; … is what was asked for."""
    scheme = f"{to.scheme}://" if to.scheme else "…://" if to.host else ""
    host = to.host or (route.host if to.scheme else "")
    return f"{scheme}{host}{to.path or '/…'}"
