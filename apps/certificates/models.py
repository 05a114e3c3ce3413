"""Certificates of groups, and the account with which they are ordered."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import models
from django.utils.translation import gettext_lazy as _

from apps.fields import validate_name
from apps.groups.models import Group

EXPIRING = timedelta(days=14)


class Source(models.TextChoices):
    UPLOADED = "uploaded", _("uploaded")
    ACME = "acme", _("issued by ACME")


class State(models.TextChoices):
    PENDING = "pending", _("being issued")
    FAILED = "failed", _("not issued")
    VALID = "valid", _("valid")
    EXPIRING = "expiring", _("expires soon")
    EXPIRED = "expired", _("expired")
    REFUSED = "refused", _("refused by an edge")


class Certificate(models.Model):
    """A chain with its private key, for hosts of a group.

    Requests write what is wanted (`hosts` of one to be issued, `https_only`) and what was uploaded; the loop writes
    what was issued and how that went. `key` is encrypted (`apps.applications.secrets`) and is never shown.
    """

    group = models.ForeignKey(Group, on_delete=models.CASCADE, related_name="certificates")
    name = models.CharField(max_length=40, validators=[validate_name])
    source = models.CharField(max_length=10, choices=Source.choices)
    hosts = models.JSONField()  # what it names, wildcards among them, or is to name
    https_only = models.BooleanField(default=False)
    created_at = models.DateTimeField(auto_now_add=True)

    # empty until there is one
    chain = models.TextField(blank=True)
    key = models.BinaryField(default=b"")
    issuer = models.CharField(max_length=200, blank=True)
    fingerprint = models.CharField(max_length=64, blank=True)  # SHA-256
    not_before = models.DateTimeField(null=True, blank=True)
    not_after = models.DateTimeField(null=True, blank=True)

    refused = models.JSONField(default=dict)  # by edge: why it does not serve it, in HAProxy's words

    # of one that ACME issues
    failures = models.PositiveIntegerField(default=0)  # in a row
    failure = models.CharField(max_length=500, blank=True)  # why the last attempt failed
    tried_at = models.DateTimeField(null=True, blank=True)
    due_at = models.DateTimeField(null=True, blank=True)  # when to order it next
    busy_until = models.DateTimeField(null=True, blank=True)  # someone is ordering it, or died doing so

    class Meta:
        ordering = ["name"]
        constraints = [models.UniqueConstraint(fields=["group", "name"], name="certificate_name_once_a_group")]

    def __str__(self) -> str:
        return f"{self.group}/{self.name}"

    def state(self, now: datetime) -> State:
        if self.not_after is None:
            return State.FAILED if self.failure else State.PENDING
        if self.not_after <= now:
            return State.EXPIRED
        if self.refused:
            return State.REFUSED
        return State.EXPIRING if self.not_after - now < EXPIRING else State.VALID


class AcmeAccount(models.Model):
    """Who Berth is to a certificate authority. `key` is encrypted."""

    directory = models.URLField(max_length=500, unique=True)
    key = models.BinaryField()
    uri = models.URLField(max_length=500, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return self.directory
