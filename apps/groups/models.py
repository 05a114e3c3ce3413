"""Groups: who belongs together, what they may reserve, and their private network."""

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from apps.fields import validate_name


class Group(models.Model):
    """A tenant. `quota_*` is what its apps may reserve in sum, `reserved_*` what their specs do reserve.

    `reserved_*` is changed only by a conditional update in the transaction that changes a spec, so it never
    exceeds the quota. CPU is in thousandths of a core, memory and disk in bytes.
    """

    name = models.CharField(max_length=40, unique=True, validators=[validate_name])
    subnet = models.CharField(max_length=43, unique=True)  # CIDR of its private network
    created_at = models.DateTimeField(auto_now_add=True)

    quota_cpu = models.PositiveBigIntegerField()
    quota_memory = models.PositiveBigIntegerField()
    quota_disk = models.PositiveBigIntegerField()
    quota_instances = models.PositiveBigIntegerField()
    reserved_cpu = models.PositiveBigIntegerField(default=0)
    reserved_memory = models.PositiveBigIntegerField(default=0)
    reserved_disk = models.PositiveBigIntegerField(default=0)
    reserved_instances = models.PositiveBigIntegerField(default=0)

    class Meta:
        ordering = ["name"]
        constraints = [
            models.CheckConstraint(condition=Q(reserved_cpu__lte=F("quota_cpu")), name="group_cpu_within_quota"),
            models.CheckConstraint(
                condition=Q(reserved_memory__lte=F("quota_memory")), name="group_memory_within_quota"
            ),
            models.CheckConstraint(condition=Q(reserved_disk__lte=F("quota_disk")), name="group_disk_within_quota"),
            models.CheckConstraint(
                condition=Q(reserved_instances__lte=F("quota_instances")), name="group_instances_within_quota"
            ),
        ]

    def __str__(self) -> str:
        return self.name


class Role(models.TextChoices):
    OWNER = "owner", _("owner")  # members, settings, deletion, and all below
    DEVELOPER = "developer", _("developer")  # apps: create, change, delete
    VIEWER = "viewer", _("viewer")  # looks, changes nothing, sees no secret


class Membership(models.Model):
    """The role of one user in one group."""

    group = models.ForeignKey(Group, on_delete=models.CASCADE, related_name="memberships")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="memberships")
    role = models.CharField(max_length=10, choices=Role.choices)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["group", "user"], name="one_role_a_group")]

    def __str__(self) -> str:
        return f"{self.user} is {self.role} of {self.group}"
