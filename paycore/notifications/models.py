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
    expires_at = models.DateTimeField(
        _("worthless after"), null=True, blank=True, help_text=_("A code is not sent when it no longer works.")
    )

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


class SmsUsage(models.Model):
    """What one window of time has seen of one number, address, prefix, country, or of all together."""

    class Scope(models.TextChoices):
        NUMBER = "number", _("Phone number")
        ADDRESS = "address", _("IP address")
        PREFIX = "prefix", _("Number prefix")
        COUNTRY = "country", _("Country")
        MONEY = "money", _("Money")

    id = models.BigAutoField(primary_key=True)
    scope = models.CharField(_("counted by"), max_length=10, choices=Scope)
    key = models.CharField(
        _("whose"), max_length=64, db_collation="C", help_text=_("Numbers and addresses as keyed digests.")
    )
    window_seconds = models.IntegerField(_("window (seconds)"))
    starts_at = models.DateTimeField(_("window begins"))
    sent = models.IntegerField(_("codes sent"), default=0)
    verified = models.IntegerField(_("codes typed in"), default=0)
    cost_minor = models.BigIntegerField(_("cost (smallest unit)"), default=0)

    class Meta:
        verbose_name = _("SMS usage")
        verbose_name_plural = _("SMS usage")
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["scope", "key", "window_seconds", "starts_at"], name="sms_usage_one_row_a_window"
            ),
            models.CheckConstraint(
                condition=models.Q(sent__gte=0, verified__gte=0, cost_minor__gte=0), name="sms_usage_not_negative"
            ),
        ]
        indexes: ClassVar = [models.Index(fields=["starts_at"], name="sms_usage_by_time")]

    def __str__(self) -> str:
        return f"{self.scope} {self.key}"


class SmsPause(models.Model):
    """No codes go out to what this names, until it ends or is deleted."""

    EVERYTHING = "*"

    id = models.BigAutoField(primary_key=True)
    target = models.CharField(
        _("stops"),
        max_length=20,
        unique=True,
        db_collation="C",
        help_text=_("* for every SMS (the kill switch), a country code (CN), or the beginning of numbers (+86138)."),
    )
    reason = models.CharField(_("reason"), max_length=200)
    is_automatic = models.BooleanField(_("set by the alarm"), default=False, editable=False)
    created_at = models.DateTimeField(_("since"), db_default=Now(), editable=False)
    until = models.DateTimeField(_("until"), null=True, blank=True, help_text=_("Empty: until somebody deletes it."))

    class Meta:
        verbose_name = _("SMS stop")
        verbose_name_plural = _("SMS stops")
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=models.Q(target__regex=r"^(\*|[A-Z]{2}|\+[1-9][0-9]{0,13})$"), name="sms_pause_target_shape"
            ),
        ]

    def __str__(self) -> str:
        return self.target
