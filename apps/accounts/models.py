"""People and the tokens that programs act for them with."""

from collections.abc import Iterator

from django.contrib.auth.models import AbstractUser
from django.db import models


class User(AbstractUser):
    """A person. Admins (ops) see every group, enrol nodes and set quotas; others get roles in groups."""

    sessions_ended = models.PositiveIntegerField(default=0)  # how often all sessions were ended; part of their hash

    def get_session_auth_hash(self) -> str:
        """What a session must hold to be this user's. Django's own follows the password alone."""
        return self._of_today(super().get_session_auth_hash())

    def get_session_auth_fallback_hash(self) -> Iterator[str]:
        yield from map(self._of_today, super().get_session_auth_fallback_hash())

    def _of_today(self, session_hash: str) -> str:
        return f"{session_hash}-{self.sessions_ended}" if self.sessions_ended else session_hash

    @property
    def is_admin(self) -> bool:
        return self.is_active and self.is_superuser


class ApiToken(models.Model):
    """A bearer token. The token itself is shown once and never stored; `digest` is its SHA-256."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="api_tokens")
    name = models.CharField(max_length=60)
    digest = models.CharField(max_length=64, unique=True)
    prefix = models.CharField(max_length=12)  # its first characters, to tell tokens apart in lists
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["user", "name"], name="token_name_once_a_user")]

    def __str__(self) -> str:
        return f"{self.user}: {self.name}"


class LoginFailures(models.Model):
    """Attempts to log in that have not led to a login (`apps.accounts.logins`), of one source and one user name.

    `username` is empty in the row that counts all names of a source.
    """

    username = models.CharField(max_length=150, blank=True)
    source = models.CharField(max_length=60)
    count = models.PositiveIntegerField(default=0)
    last_at = models.DateTimeField(db_index=True)
    paused_until = models.DateTimeField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["username", "source"], name="login_failures_of_a_source_once")]

    def __str__(self) -> str:
        return f"{self.username or 'any'} from {self.source}: {self.count}"
