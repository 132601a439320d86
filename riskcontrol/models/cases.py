"""Something a person must decide."""

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from paycore.identifiers import PrefixedIdField


class Case(models.Model):
    """At most one open case of a kind about one object."""

    class Kind(models.TextChoices):
        SURPLUS_PAYMENT = "surplus_payment", _("Surplus money")
        PAYMENT_MISMATCH = "payment_mismatch", _("Payment differs from our books")
        UNKNOWN_PAYMENT = "unknown_payment", _("Callback about an unknown payment")
        STUCK = "stuck", _("Unknown for too long")
        REFUND_MISMATCH = "refund_mismatch", _("Refund differs")
        RISK_REVIEW = "risk_review", _("Risk review")
        WALLET_DISPUTED = "wallet_disputed", _("Top-up disputed: the wallet is frozen")
        DISPUTE = "dispute", _("Dispute")
        DISCREPANCY = "discrepancy", _("Statement and books disagree")
        BANK_UNDERPAID = "bank_underpaid", _("Bank transfer: too little")
        BANK_OVERPAID = "bank_overpaid", _("Bank transfer: too much")
        BANK_UNKNOWN = "bank_unknown", _("Bank line of unknown purpose")
        BANK_RETURNED = "bank_returned", _("Bank payout came back")
        PAYOUT_ACCOUNT = "payout_account", _("Payout without an account")
        STORE_CONFLICT = "store_conflict", _("Membership bought twice: in a store as well")
        STORE_PRODUCT = "store_product", _("Store product without a plan")
        PROMOTION_ABUSE = "promotion_abuse", _("Promotion used twice by one person")
        MEMBERSHIP_SURPLUS = "membership_surplus", _("Paid membership that could not be given")

    class Status(models.TextChoices):
        OPEN = "open", _("Open")
        RESOLVED = "resolved", _("Resolved")

    class Verdict(models.TextChoices):
        APPROVED = "approved", _("Approved")
        REJECTED = "rejected", _("Rejected")

    id = PrefixedIdField(prefix="case")
    kind = models.CharField(_("kind"), max_length=24, choices=Kind)
    status = models.CharField(_("status"), max_length=8, choices=Status, default=Status.OPEN)
    object_id = models.CharField(_("about"), max_length=64, db_collation="C")
    merchant = models.ForeignKey(
        "merchants.Merchant", on_delete=models.PROTECT, null=True, blank=True, verbose_name=_("merchant")
    )
    facts = models.JSONField(_("facts"), default=dict)
    assignee = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("taken by"),
    )
    assigned_at = models.DateTimeField(_("taken"), null=True, blank=True)
    verdict = models.CharField(_("verdict"), max_length=8, choices=Verdict, blank=True, default="")
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
        return f"{self.get_kind_display()} {self.object_id}"
