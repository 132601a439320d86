"""Limits before a payment, and cases that a person must decide."""

from typing import ClassVar

import pghistory
from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from paycore.identifiers import PrefixedIdField


@pghistory.track()
class PaymentLimit(models.Model):
    """The most one payment may be, in one currency; for one merchant, or for all that have none of their own."""

    id = PrefixedIdField(prefix="lim")
    merchant = models.ForeignKey(
        "merchants.Merchant",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        verbose_name=_("merchant"),
        help_text=_("Empty: every merchant without a limit of its own."),
    )
    currency = models.CharField(_("currency"), max_length=3)
    max_amount_minor = models.BigIntegerField(_("largest payment (minor units)"))

    class Meta:
        verbose_name = _("payment limit")
        verbose_name_plural = _("payment limits")
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["merchant", "currency"], name="payment_limit_unique", nulls_distinct=False),
            models.CheckConstraint(condition=Q(max_amount_minor__gt=0), name="payment_limit_positive"),
        ]

    def __str__(self) -> str:
        return f"{self.max_amount_minor} {self.currency}"


class Case(models.Model):
    """Something a person must decide. At most one open case of a kind about one object."""

    class Kind(models.TextChoices):
        SURPLUS_PAYMENT = "surplus_payment", _("Surplus money")
        PAYMENT_MISMATCH = "payment_mismatch", _("Payment differs from our books")
        UNKNOWN_PAYMENT = "unknown_payment", _("Callback about an unknown payment")
        STUCK = "stuck", _("Unknown for too long")
        REFUND_MISMATCH = "refund_mismatch", _("Refund differs")

    class Status(models.TextChoices):
        OPEN = "open", _("Open")
        RESOLVED = "resolved", _("Resolved")

    id = PrefixedIdField(prefix="case")
    kind = models.CharField(_("kind"), max_length=24, choices=Kind)
    status = models.CharField(_("status"), max_length=8, choices=Status, default=Status.OPEN)
    object_id = models.CharField(_("about"), max_length=64, db_collation="C")
    merchant = models.ForeignKey(
        "merchants.Merchant", on_delete=models.PROTECT, null=True, blank=True, verbose_name=_("merchant")
    )
    facts = models.JSONField(_("facts"), default=dict)
    resolution = models.CharField(_("resolution"), max_length=300, blank=True, default="")
    resolved_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, verbose_name=_("resolved by")
    )
    opened_at = models.DateTimeField(_("opened"), db_default=Now())
    resolved_at = models.DateTimeField(_("resolved"), null=True, blank=True)

    class Meta:
        verbose_name = _("case")
        verbose_name_plural = _("cases")
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["kind", "object_id"], condition=Q(status="open"), name="case_one_open_of_a_kind"
            ),
        ]
        indexes: ClassVar = [models.Index(fields=["object_id"], name="case_by_object")]

    def __str__(self) -> str:
        return f"{self.kind} {self.object_id}"
