"""People: letting them in and out, their passwords, who is an admin.

There is always an active admin: changes that might leave none lock the rows of all admins first.
"""

from __future__ import annotations

import re

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.db.models import F
from django.utils.translation import gettext as _

from apps.accounts.models import User
from apps.errors import Conflict, FieldError, Invalid, conflict, invalid
from apps.events import services as events
from apps.groups.models import Group, Role
from apps.panel import live

USERNAME = r"[A-Za-z0-9]([A-Za-z0-9._@+-]{0,62}[A-Za-z0-9])?"


def create_user(
    actor: User | None, username: str, password: str | None = None, *, email: str = "", admin: bool = False
) -> User:
    """A new person. Without a password they cannot log in until an admin sets one. Raises `Invalid`, `Conflict`."""
    user = User(username=username, email=email, is_superuser=admin, is_staff=admin)
    _check_name(username)
    try:
        user.clean_fields(exclude=["password"])
    except ValidationError as error:
        raise _invalid(error) from None
    _set_password(user, password)
    taken = conflict("username", "user_exists", _("There is a user named “%(name)s”.") % {"name": username})
    if User.objects.filter(username__iexact=username).exists():  # two that differ in case alone would be confused
        raise taken
    try:
        with transaction.atomic():
            user.save(force_insert=True)
            events.record("user.created", actor=actor, user=username)
    except IntegrityError:
        raise taken from None
    return user


def set_active(actor: User, user: User, active: bool) -> User:
    """Let `user` in, or out: tokens, sessions and open pages stop working at once. Nobody shuts themselves out.

    Taken back, they log in anew, while their tokens work again: whoever should not have those any more revokes them.
    """
    if not active:
        _refuse_own(actor, user, "active", _("You cannot deactivate yourself."))
    with transaction.atomic():
        if not active:
            _keep_an_admin(user, "active")
        if User.objects.filter(pk=user.pk, is_active=not active).update(is_active=active):
            end_sessions(user)
            events.record("user.activated" if active else "user.deactivated", actor=actor, user=user.username)
    user.refresh_from_db()
    return user


def set_admin(actor: User, user: User, admin: bool) -> User:
    """Make `user` an admin, or no longer one. Open pages show at once what they may see from now on."""
    with transaction.atomic():
        if not admin:
            _keep_an_admin(user, "admin")
        if User.objects.filter(pk=user.pk, is_superuser=not admin).update(is_superuser=admin, is_staff=admin):
            events.record("user.admin_granted" if admin else "user.admin_revoked", actor=actor, user=user.username)
            live.announce(topic(user.pk))
    user.refresh_from_db()
    return user


def set_password(actor: User, user: User, password: str | None) -> User:
    """Set it anew, for someone who has forgotten it; None: no login. Their sessions end. Raises `Invalid`."""
    _set_password(user, password)
    with transaction.atomic():
        user.save(update_fields=["password"])
        end_sessions(user)
        events.record("user.password_set", actor=actor, user=user.username)
    user.refresh_from_db()
    return user


def delete_user(actor: User, user: User) -> None:
    """Delete someone with their tokens and memberships. What they did stays in the history, without their name.

    Raises `Conflict` for the last admin, the last owner of a group, and oneself.
    """
    _refuse_own(actor, user, "", _("You cannot delete yourself."))
    with transaction.atomic():
        rows = Group.objects.select_for_update(no_key=True, of=("self",))
        groups = list(rows.filter(memberships__user=user).order_by("pk"))
        _keep_an_admin(user, "")
        _keep_owners(groups, user)
        for group in groups:
            events.record("member.removed", actor=actor, group=group, user=user.username)
        live.announce(topic(user.pk))
        user.delete()
        events.record("user.deleted", actor=actor, user=user.username)


def end_sessions(user: User) -> None:
    """End all sessions of `user`, now and for good, and close the pages that are open in them."""
    User.objects.filter(pk=user.pk).update(sessions_ended=F("sessions_ended") + 1)
    live.announce(topic(user.pk))


def topic(user_id: int) -> str:
    """The hint (`apps.panel.live`) that what a user may see has changed. Every socket of theirs follows it."""
    return f"user.{user_id}"


def _check_name(username: str) -> None:
    if not re.fullmatch(USERNAME, username, re.ASCII):
        message = _("A user name has 1 to 64 letters, digits and . _ @ + - and begins and ends with a letter or digit.")
        raise invalid("username", "invalid_name", message)


def _set_password(user: User, password: str | None) -> None:
    if password is not None:
        try:
            validate_password(password, user)
        except ValidationError as error:
            raise _invalid(error) from None
    user.set_password(password)


def _refuse_own(actor: User, user: User, field: str, message: str) -> None:
    if actor.pk == user.pk:
        raise conflict(field, "own_account", message) if field else Conflict(message, "own_account")


def _keep_an_admin(user: User, field: str) -> None:
    """Lock all active admins, and refuse to go on where `user` is the only one."""
    admins = User.objects.select_for_update(no_key=True).filter(is_superuser=True, is_active=True).order_by("pk")
    if [admin.pk for admin in admins] == [user.pk]:
        message = _("Berth keeps at least one active admin.")
        raise conflict(field, "last_admin", message) if field else Conflict(message, "last_admin")


def _keep_owners(groups: list[Group], user: User) -> None:
    alone = [
        group.name
        for group in groups
        if list(group.memberships.filter(role=Role.OWNER).values_list("user_id", flat=True)) == [user.pk]
    ]
    if alone:
        message = _("This is the last owner of %(groups)s; make someone else an owner first.")
        raise Conflict(message % {"groups": ", ".join(alone)}, "last_owner")


def _invalid(error: ValidationError) -> Invalid:
    """Django's own validation in the form of Berth's."""
    fields = error.error_dict if hasattr(error, "error_dict") else {"password": error.error_list}
    return Invalid(
        FieldError(field, one.code or "invalid", " ".join(one.messages))
        for field, errors in fields.items()
        for one in errors
    )
