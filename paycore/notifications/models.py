from typing import ClassVar

from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from paycore.encryption import EncryptedJSONField, EncryptedTextField

MAX_ATTEMPTS = 5


class Notification(models.Model):
    """One message to one person. A user's address is looked up when it is sent; only strangers' are kept, sealed."""

    class Status(models.TextChoices):
        PENDING = "pending", _("Pending")
        SENT = "sent", _("Sent")
        FAILED = "failed", _("Failed")

    id = models.BigAutoField(primary_key=True)
    key = models.CharField(_("key"), max_length=160, unique=True, db_collation="C")
    template = models.CharField(_("template"), max_length=60)
    user_id = models.CharField(_("user"), max_length=40, blank=True, default="", db_collation="C")
    email = EncryptedTextField(null=True, editable=False, verbose_name=_("e-mail address"))
    phone = EncryptedTextField(null=True, editable=False, verbose_name=_("phone number"))
    language = models.CharField(_("language"), max_length=10, blank=True, default="")
    context = EncryptedJSONField(verbose_name=_("context"), editable=False)
    status = models.CharField(_("status"), max_length=10, choices=Status, default=Status.PENDING)
    attempts = models.SmallIntegerField(_("attempts"), default=0)
    next_attempt_at = models.DateTimeField(_("next attempt"), null=True, db_default=Now())
    lease_token = models.UUIDField(_("lease"), null=True, editable=False)
    last_error = models.TextField(_("last error"), blank=True, default="")
    created_at = models.DateTimeField(_("created"), db_default=Now())
    sent_at = models.DateTimeField(_("sent"), null=True)

    class Meta:
        verbose_name = _("notification")
        verbose_name_plural = _("notifications")
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=models.Q(attempts__range=(0, MAX_ATTEMPTS)), name="notification_attempts_bounded"
            ),
            models.CheckConstraint(
                condition=~models.Q(status="pending") | models.Q(next_attempt_at__isnull=False),
                name="notification_pending_has_next",
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["next_attempt_at"], condition=models.Q(status="pending"), name="notification_due"),
            models.Index(fields=["id"], condition=models.Q(status="failed"), name="notification_failed"),
        ]

    def __str__(self) -> str:
        return f"{self.template} {self.key}"
