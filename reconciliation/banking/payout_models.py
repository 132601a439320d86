"""Money that goes out by bank transfer: what is owed to whom, and the files that two people send."""

from typing import ClassVar

import pgtrigger
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from paycore.encryption import EncryptedBinaryField, EncryptedTextField
from paycore.identifiers import PrefixedIdField
from paycore.money import Money
from reconciliation import transitions


class PayoutBatch(models.Model):
    """A file of transfers for the bank: one person makes it, another releases exactly that file."""

    class Status(models.TextChoices):
        PREPARED = "prepared", _("Waits for release")
        RELEASED = "released", _("Released")
        DISCARDED = "discarded", _("Discarded")

    id = PrefixedIdField(prefix="pob")
    gateway_account = models.ForeignKey(
        "payments.GatewayAccount", on_delete=models.PROTECT, verbose_name=_("bank account")
    )
    status = models.CharField(_("status"), max_length=9, choices=Status, default=Status.PREPARED)
    currency = models.CharField(_("currency"), max_length=3)
    total_minor = models.BigIntegerField(_("total (minor units)"))
    count = models.IntegerField(_("payouts"))
    sha256 = models.CharField(_("SHA-256"), max_length=64)
    body = EncryptedBinaryField(verbose_name=_("file"))
    made_by = models.CharField(_("made by"), max_length=40)
    released_by = models.CharField(_("released by"), max_length=40, blank=True, default="")
    created_at = models.DateTimeField(_("made"), db_default=Now())
    released_at = models.DateTimeField(_("released at"), null=True, blank=True)

    class Meta:
        app_label = "reconciliation"
        verbose_name = _("payout file")
        verbose_name_plural = _("payout files")
        permissions: ClassVar = [("release_payoutbatch", "Can release a payout file that another person made")]
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=~Q(status="released")
                | ~Q(released_by="") & ~Q(released_by=F("made_by")) & Q(released_at__isnull=False),
                name="payout_batch_released_by_another",
            ),
        ]
        triggers: ClassVar = [
            transitions.PAYOUT_BATCH.trigger(),
            pgtrigger.Protect(name="no_delete", operation=pgtrigger.Delete),
            pgtrigger.ReadOnly(
                name="fixed_terms", fields=["gateway_account", "sha256", "made_by", "total_minor", "count"]
            ),
        ]

    def __str__(self) -> str:
        return self.id

    @property
    def total(self) -> Money:
        return Money(self.total_minor, self.currency)


class Payout(models.Model):
    """One transfer that we owe somebody. ``subject_id`` is the refund, the bank line or the withdrawal it is for; at
    most one is alive for each."""

    class Kind(models.TextChoices):
        REFUND = "refund", _("Refund")
        RETURN = "return", _("Money sent back")
        WITHDRAWAL = "withdrawal", _("Withdrawal")

    class Status(models.TextChoices):
        WAITING = "waiting", _("Waits for a file")
        IN_FILE = "in_file", _("In a file")
        RELEASED = "released", _("Released")
        PAID = "paid", _("Paid")
        RETURNED = "returned", _("Came back")
        CANCELED = "canceled", _("Canceled")

    id = PrefixedIdField(prefix="pyo")
    gateway_account = models.ForeignKey(
        "payments.GatewayAccount", on_delete=models.PROTECT, db_index=False, verbose_name=_("bank account")
    )
    batch = models.ForeignKey(
        PayoutBatch,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="payouts",
        verbose_name=_("payout file"),
    )
    kind = models.CharField(_("kind"), max_length=10, choices=Kind)
    subject_id = models.CharField(_("about"), max_length=40, db_collation="C")
    status = models.CharField(_("status"), max_length=8, choices=Status, default=Status.WAITING)
    currency = models.CharField(_("currency"), max_length=3)
    amount_minor = models.BigIntegerField(_("amount (minor units)"))
    creditor_name = EncryptedTextField(verbose_name=_("to"))
    creditor_iban = EncryptedTextField(verbose_name=_("IBAN"))
    has_account = models.BooleanField(_("has an account"), default=False)
    end_to_end_id = models.CharField(_("end-to-end id"), max_length=35, db_collation="C")
    account_given_by = models.CharField(_("account given by"), max_length=40, blank=True, default="")
    created_at = models.DateTimeField(_("created"), db_default=Now())
    paid_at = models.DateTimeField(_("paid at"), null=True, blank=True)

    class Meta:
        app_label = "reconciliation"
        verbose_name = _("payout")
        verbose_name_plural = _("payouts")
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["end_to_end_id"], name="payout_end_to_end_unique"),
            models.UniqueConstraint(
                fields=["kind", "subject_id"],
                condition=Q(status__in=["waiting", "in_file", "released", "paid"]),
                name="payout_one_alive",
            ),
            models.CheckConstraint(condition=Q(amount_minor__gt=0), name="payout_amount_positive"),
            models.CheckConstraint(
                condition=Q(status__in=["waiting", "canceled"], batch__isnull=True)
                | ~Q(status__in=["waiting", "canceled"]) & Q(batch__isnull=False, has_account=True),
                name="payout_on_its_way_is_in_a_file",
            ),
        ]
        indexes: ClassVar = [
            models.Index(
                fields=["gateway_account", "id"], condition=Q(status="waiting", has_account=True), name="payout_waiting"
            ),
        ]
        triggers: ClassVar = [
            transitions.PAYOUT.trigger(),
            pgtrigger.Protect(name="no_delete", operation=pgtrigger.Delete),
            pgtrigger.ReadOnly(
                name="fixed_terms", fields=["gateway_account", "kind", "subject_id", "amount_minor", "currency"]
            ),
        ]

    def __str__(self) -> str:
        return self.id

    @property
    def amount(self) -> Money:
        return Money(self.amount_minor, self.currency)
