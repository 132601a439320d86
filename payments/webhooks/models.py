"""What gateways told us, stored before it is believed."""

from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from paycore.identifiers import PrefixedIdField
from payments.routing.models import GatewayAccount


class WebhookReceipt(models.Model):
    """One verified callback. Copies of it change nothing: ``event_id`` is the provider's own."""

    id = PrefixedIdField(prefix="whr")
    gateway_account = models.ForeignKey(
        GatewayAccount, on_delete=models.PROTECT, db_index=False, verbose_name=_("gateway account")
    )
    event_id = models.CharField(_("event id"), max_length=128, db_collation="C")
    event_type = models.CharField(_("event type"), max_length=80)
    body = models.BinaryField(_("body"))
    received_at = models.DateTimeField(_("received"), db_default=Now())
    processed_at = models.DateTimeField(_("processed"), null=True, blank=True)
    attempts = models.SmallIntegerField(_("attempts"), default=0)
    next_attempt_at = models.DateTimeField(_("read anew"), null=True, blank=True)
    """For a callback that is only a hint: when the provider is asked about what it tells."""

    class Meta:
        app_label = "payments"
        verbose_name = _("gateway callback")
        verbose_name_plural = _("gateway callbacks")
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["gateway_account", "event_id"], name="webhook_event_once"),
        ]
        indexes: ClassVar = [
            models.Index(fields=["next_attempt_at"], condition=Q(next_attempt_at__isnull=False), name="webhook_due"),
        ]

    def __str__(self) -> str:
        return f"{self.event_type} {self.event_id}"
