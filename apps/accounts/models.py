"""People and the tokens that programs act for them with."""

from django.contrib.auth.models import AbstractUser
from django.db import models


class User(AbstractUser):
    """A person. Admins (ops) see every group, enrol nodes and set quotas; others get roles in groups."""

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
