"""The payer's bank, or the provider, takes money back: what is known of it and what the merchant answers."""

from typing import ClassVar

import pgtrigger
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from paycore.encryption import EncryptedBinaryField, EncryptedJSONField
from paycore.identifiers import PrefixedIdField
from paycore.money import Money
from payments.orders import transitions


class Dispute(models.Model):
    """One dispute of one payment. ``withdrawn_minor`` is what the provider took from us for it and did not return."""

    class Status(models.TextChoices):
        WARNING = "warning", _("Early alert")
        NEEDS_RESPONSE = "needs_response", _("Needs an answer")
        UNDER_REVIEW = "under_review", _("Being decided")
        WON = "won", _("Won")
        LOST = "lost", _("Lost")

    class Reason(models.TextChoices):
        FRAUDULENT = "fraudulent", _("The payer says it was not them")
        NOT_RECEIVED = "not_received", _("Goods not received")
        NOT_AS_DESCRIBED = "not_as_described", _("Not as described")
        DUPLICATE = "duplicate", _("Charged twice")
        CANCELED = "canceled", _("Canceled, but charged")
        AMOUNT = "amount", _("Wrong amount")
        CREDIT_NOT_PROCESSED = "credit_not_processed", _("Refund not received")
        OTHER = "other", _("Other")

    class Answer(models.TextChoices):
        OPEN = "open", _("Not answered")
        SUBMITTING = "submitting", _("Answer being sent")
        SUBMITTED = "submitted", _("Answer sent")
        ACCEPTING = "accepting", _("Being accepted")
        ACCEPTED = "accepted", _("Accepted")
        REFUSED = "refused", _("Answer refused by the gateway")

    id = PrefixedIdField(prefix="dsp")
    payment = models.ForeignKey(
        "payments.Payment", on_delete=models.PROTECT, related_name="disputes", verbose_name=_("payment")
    )
    gateway_account = models.ForeignKey(
        "payments.GatewayAccount", on_delete=models.PROTECT, db_index=False, verbose_name=_("gateway account")
    )
    merchant = models.ForeignKey(
        "merchants.Merchant", on_delete=models.PROTECT, db_index=False, verbose_name=_("merchant")
    )
    gateway_reference = models.CharField(_("gateway's reference"), max_length=128)
    status = models.CharField(_("status"), max_length=14, choices=Status)
    reason = models.CharField(_("reason"), max_length=24, choices=Reason, default=Reason.OTHER)
    currency = models.CharField(_("currency"), max_length=3)
    amount_minor = models.BigIntegerField(_("amount (minor units)"))
    fee_minor = models.BigIntegerField(_("gateway's fee (minor units)"), default=0)
    withdrawn_minor = models.BigIntegerField(_("taken back (minor units)"), default=0)
    rounds = models.SmallIntegerField(_("times taken back"), default=0)
    evidence_due_at = models.DateTimeField(_("answer by"), null=True, blank=True)
    answer = models.CharField(_("answer to the bank"), max_length=10, choices=Answer, default=Answer.OPEN)
    answered_by = models.CharField(_("answered by"), max_length=40, blank=True, default="")
    answered_at = models.DateTimeField(_("answered"), null=True, blank=True)
    answer_failure = models.CharField(_("why it was refused"), max_length=64, blank=True, default="")
    texts = EncryptedJSONField(verbose_name=_("evidence for the bank"), null=True, blank=True)
    said_at = models.DateTimeField(_("the gateway's time of the last word"), null=True, blank=True)
    reminded_at = models.DateTimeField(_("reminded"), null=True, blank=True)
    attempts = models.SmallIntegerField(_("attempts"), default=0)
    next_attempt_at = models.DateTimeField(_("next look"), null=True, blank=True)
    opened_at = models.DateTimeField(_("opened on"), db_default=Now())
    decided_at = models.DateTimeField(_("decided"), null=True, blank=True)
    updated_at = models.DateTimeField(_("changed"), auto_now=True)

    class Meta:
        app_label = "payments"
        verbose_name = _("dispute")
        verbose_name_plural = _("disputes")
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["gateway_account", "gateway_reference"], name="dispute_once"),
            models.CheckConstraint(condition=Q(amount_minor__gt=0, fee_minor__gte=0), name="dispute_amount_positive"),
            models.CheckConstraint(
                condition=Q(withdrawn_minor=0) | Q(withdrawn_minor=models.F("amount_minor")) & ~Q(status="warning"),
                name="dispute_takes_all_or_nothing",
            ),
            models.CheckConstraint(
                condition=Q(status__in=["won", "lost"], decided_at__isnull=False)
                | ~Q(status__in=["won", "lost"]) & Q(decided_at__isnull=True, next_attempt_at__isnull=False),
                name="dispute_open_is_looked_at",
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["merchant", "-id"], name="dispute_by_merchant"),
            models.Index(fields=["next_attempt_at"], condition=Q(next_attempt_at__isnull=False), name="dispute_due"),
        ]
        triggers: ClassVar = [
            transitions.DISPUTE.trigger(),
            pgtrigger.Protect(name="no_delete", operation=pgtrigger.Delete),
            pgtrigger.ReadOnly(
                name="fixed_terms", fields=["payment", "gateway_account", "merchant", "gateway_reference", "currency"]
            ),
        ]

    def __str__(self) -> str:
        return self.id

    @property
    def amount(self) -> Money:
        return Money(self.amount_minor, self.currency)

    @property
    def is_decided(self) -> bool:
        return self.status in transitions.DISPUTE.final


class DisputeFile(models.Model):
    """One piece of evidence, sealed."""

    class Kind(models.TextChoices):
        RECEIPT = "receipt", _("Receipt")
        DELIVERY = "delivery", _("Proof of delivery")
        COMMUNICATION = "communication", _("Messages with the payer")
        POLICY = "policy", _("Terms or refund policy")
        OTHER = "other", _("Other")

    id = PrefixedIdField(prefix="dfl")
    dispute = models.ForeignKey(Dispute, on_delete=models.PROTECT, related_name="files", verbose_name=_("dispute"))
    kind = models.CharField(_("kind"), max_length=13, choices=Kind)
    content = EncryptedBinaryField(editable=False, verbose_name=_("content"))
    content_type = models.CharField(_("type"), max_length=40)
    size_bytes = models.IntegerField(_("size in bytes"))
    sha256 = models.CharField(_("SHA-256"), max_length=64)
    uploaded_by = models.CharField(_("uploaded by"), max_length=40)
    created_at = models.DateTimeField(_("uploaded"), db_default=Now())

    class Meta:
        app_label = "payments"
        verbose_name = _("evidence file")
        verbose_name_plural = _("evidence files")
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["dispute", "sha256"], name="dispute_file_once"),
        ]
        triggers: ClassVar = [pgtrigger.Protect(name="append_only", operation=pgtrigger.Update)]

    def __str__(self) -> str:
        return self.id
