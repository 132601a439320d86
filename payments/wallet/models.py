"""Stored value: whose it is, what happened to it, and money on its way in and out. The amounts are the ledger's."""

from typing import ClassVar

import pgtrigger
from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from paycore.encryption import EncryptedTextField
from paycore.identifiers import PrefixedIdField
from paycore.money import Money
from payments.wallet import transitions


class Wallet(models.Model):
    """What one user has with us in one currency. Its row is locked before its money moves."""

    class Status(models.TextChoices):
        ACTIVE = "active", _("Active")
        FROZEN = "frozen", _("Frozen")

    id = PrefixedIdField(prefix="wal")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, db_index=False, verbose_name=_("user"))
    currency = models.CharField(_("currency"), max_length=3)
    status = models.CharField(_("status"), max_length=6, choices=Status, default=Status.ACTIVE)
    frozen_reason = models.CharField(_("why it is frozen"), max_length=300, blank=True, default="")
    frozen_by = models.CharField(_("frozen by"), max_length=40, blank=True, default="")
    frozen_at = models.DateTimeField(_("frozen at"), null=True, blank=True)
    created_at = models.DateTimeField(_("opened on"), db_default=Now())

    class Meta:
        app_label = "payments"
        verbose_name = _("wallet")
        verbose_name_plural = _("wallets")
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["user", "currency"], name="wallet_one_a_currency"),
            models.CheckConstraint(
                condition=Q(status="frozen", frozen_at__isnull=False) | Q(status="active", frozen_at__isnull=True),
                name="wallet_frozen_is_dated",
            ),
        ]
        triggers: ClassVar = [
            transitions.WALLET.trigger(),
            pgtrigger.Protect(name="no_delete", operation=pgtrigger.Delete),
            pgtrigger.ReadOnly(name="fixed_terms", fields=["user", "currency"]),
        ]

    def __str__(self) -> str:
        return self.id

    @property
    def is_frozen(self) -> bool:
        return self.status == self.Status.FROZEN


class WalletOperation(models.Model):
    """One thing that happened to a wallet, once under (kind, reference). What was refused is kept as well: the same
    number is never asked to mean something else."""

    class Kind(models.TextChoices):
        TOP_UP = "top_up", _("Top-up")
        PAY = "pay", _("Payment")
        HOLD = "hold", _("Hold")
        CAPTURE = "capture", _("Taken from a hold")
        RELEASE = "release", _("Rest of a hold let go")
        REFUND = "refund", _("Refund")
        WITHDRAW = "withdraw", _("Withdrawal")
        WITHDRAW_PAID = "withdraw_paid", _("Withdrawal paid")
        WITHDRAW_BACK = "withdraw_back", _("Withdrawal given back")
        CLOSE = "close", _("Closed before it was paid")

    id = PrefixedIdField(prefix="wop")
    wallet = models.ForeignKey(
        Wallet,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="operations",
        db_index=False,
        verbose_name=_("wallet"),
    )
    kind = models.CharField(_("kind"), max_length=13, choices=Kind)
    reference = models.CharField(_("for"), max_length=64, db_collation="C")
    payment_reference = models.CharField(_("payment"), max_length=64, db_collation="C", blank=True, default="")
    gateway_account_id = models.CharField(_("gateway account"), max_length=40, blank=True, default="")
    currency = models.CharField(_("currency"), max_length=3, blank=True, default="")
    amount_minor = models.BigIntegerField(_("amount (minor units)"))
    change_minor = models.BigIntegerField(_("change of the balance (minor units)"))
    balance_after_minor = models.BigIntegerField(_("balance after it (minor units)"), default=0)
    refusal = models.CharField(_("refused because"), max_length=64, blank=True, default="")
    created_at = models.DateTimeField(_("created"), db_default=Now())

    class Meta:
        app_label = "payments"
        verbose_name = _("wallet operation")
        verbose_name_plural = _("wallet operations")
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["kind", "reference"], name="wallet_operation_once"),
            models.UniqueConstraint(
                fields=["reference"],
                condition=Q(kind__in=["pay", "hold", "close"]),
                name="wallet_operation_one_attempt",
            ),
            models.CheckConstraint(
                condition=Q(kind="close", wallet__isnull=True, amount_minor=0)
                | ~Q(kind="close") & Q(wallet__isnull=False, amount_minor__gt=0),
                name="wallet_operation_has_amount",
            ),
            models.CheckConstraint(
                condition=Q(refusal="") | Q(change_minor=0), name="wallet_operation_refused_moves_nothing"
            ),
            models.CheckConstraint(condition=Q(balance_after_minor__gte=0), name="wallet_operation_balance_positive"),
        ]
        indexes: ClassVar = [
            models.Index(fields=["wallet", "-created_at", "-id"], name="wallet_operation_by_wallet"),
            models.Index(
                fields=["payment_reference"], condition=~Q(payment_reference=""), name="wallet_operation_by_payment"
            ),
        ]
        triggers: ClassVar = [pgtrigger.Protect(name="append_only", operation=pgtrigger.Update | pgtrigger.Delete)]

    def __str__(self) -> str:
        return self.id

    @property
    def amount(self) -> Money:
        return Money(self.amount_minor, self.currency)


class WalletTopUp(models.Model):
    """Money on its way in: an order of the platform's that, once paid, becomes balance. An order that ended may be
    re-opened and paid after all, so it waits as long as it is not credited."""

    class Status(models.TextChoices):
        WAITING = "waiting", _("Waiting for the payment")
        CREDITED = "credited", _("In the wallet")

    id = PrefixedIdField(prefix="wtu")
    wallet = models.ForeignKey(
        Wallet, on_delete=models.PROTECT, related_name="top_ups", db_index=False, verbose_name=_("wallet")
    )
    order = models.OneToOneField(
        "payments.Order", on_delete=models.PROTECT, related_name="wallet_top_up", verbose_name=_("order")
    )
    status = models.CharField(_("status"), max_length=8, choices=Status, default=Status.WAITING)
    currency = models.CharField(_("currency"), max_length=3)
    amount_minor = models.BigIntegerField(_("amount (minor units)"))
    created_at = models.DateTimeField(_("created"), db_default=Now())
    credited_at = models.DateTimeField(_("credited"), null=True, blank=True)

    class Meta:
        app_label = "payments"
        verbose_name = _("wallet top-up")
        verbose_name_plural = _("wallet top-ups")
        constraints: ClassVar = [
            models.CheckConstraint(condition=Q(amount_minor__gt=0), name="wallet_top_up_amount_positive"),
            models.CheckConstraint(
                condition=Q(status="credited", credited_at__isnull=False)
                | ~Q(status="credited") & Q(credited_at__isnull=True),
                name="wallet_top_up_credit_is_dated",
            ),
        ]
        indexes: ClassVar = [models.Index(fields=["wallet", "-id"], name="wallet_top_up_by_wallet")]
        triggers: ClassVar = [
            transitions.TOP_UP.trigger(),
            pgtrigger.Protect(name="no_delete", operation=pgtrigger.Delete),
            pgtrigger.ReadOnly(name="fixed_terms", fields=["wallet", "order", "currency", "amount_minor"]),
        ]

    def __str__(self) -> str:
        return self.id

    @property
    def amount(self) -> Money:
        return Money(self.amount_minor, self.currency)


class WalletWithdrawal(models.Model):
    """Money on its way out, to the user's bank. It is reserved with the request."""

    class Status(models.TextChoices):
        REQUESTED = "requested", _("Waiting for review")
        HALF_APPROVED = "half_approved", _("Waiting for a second person")
        APPROVED = "approved", _("Approved")
        SENT = "sent", _("Sent to the bank")
        PAID = "paid", _("Paid")
        REJECTED = "rejected", _("Rejected")
        FAILED = "failed", _("Failed")

    id = PrefixedIdField(prefix="wdr")
    wallet = models.ForeignKey(
        Wallet, on_delete=models.PROTECT, related_name="withdrawals", db_index=False, verbose_name=_("wallet")
    )
    status = models.CharField(_("status"), max_length=13, choices=Status, default=Status.REQUESTED)
    currency = models.CharField(_("currency"), max_length=3)
    amount_minor = models.BigIntegerField(_("amount (minor units)"))
    iban = EncryptedTextField(verbose_name=_("IBAN"), null=True, blank=True, editable=False)
    iban_masked = models.CharField(_("bank account"), max_length=12)
    holder = EncryptedTextField(verbose_name=_("account holder"), null=True, blank=True, editable=False)
    first_approved_by = models.CharField(_("first approved by"), max_length=40, blank=True, default="")
    reviewed_by = models.CharField(_("decided by"), max_length=40, blank=True, default="")
    review_note = models.CharField(_("note"), max_length=300, blank=True, default="")
    reviewed_at = models.DateTimeField(_("decided"), null=True, blank=True)
    batch = models.CharField(_("payout batch"), max_length=40, blank=True, default="")
    bank_account_code = models.CharField(_("paid from"), max_length=120, blank=True, default="")
    failure_reason = models.CharField(_("failed because"), max_length=300, blank=True, default="")
    created_at = models.DateTimeField(_("created"), db_default=Now())
    sent_at = models.DateTimeField(_("sent"), null=True, blank=True)
    ended_at = models.DateTimeField(_("ended"), null=True, blank=True)

    class Meta:
        app_label = "payments"
        verbose_name = _("wallet withdrawal")
        verbose_name_plural = _("wallet withdrawals")
        constraints: ClassVar = [
            models.CheckConstraint(condition=Q(amount_minor__gt=0), name="wallet_withdrawal_amount_positive"),
            models.CheckConstraint(
                condition=Q(first_approved_by="") | ~Q(first_approved_by=models.F("reviewed_by")),
                name="wallet_withdrawal_two_people",
            ),
            models.CheckConstraint(
                condition=Q(iban__isnull=False, holder__isnull=False) | Q(status__in=["rejected", "paid", "failed"]),
                name="wallet_withdrawal_has_target",
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["wallet", "-id"], name="wallet_withdrawal_by_wallet"),
            models.Index(
                fields=["id"],
                condition=Q(status__in=["requested", "half_approved", "approved", "sent"]),
                name="wallet_withdrawal_open",
            ),
        ]
        triggers: ClassVar = [
            transitions.WITHDRAWAL.trigger(),
            pgtrigger.Protect(name="no_delete", operation=pgtrigger.Delete),
            pgtrigger.ReadOnly(name="fixed_terms", fields=["wallet", "currency", "amount_minor", "iban_masked"]),
            # What was approved is what is paid: the target may be forgotten, never replaced.
            pgtrigger.Protect(
                name="fixed_target",
                operation=pgtrigger.Update,
                condition=pgtrigger.Condition(
                    'NEW."iban" IS NOT NULL AND OLD."iban" IS DISTINCT FROM NEW."iban"'
                    ' OR NEW."holder" IS NOT NULL AND OLD."holder" IS DISTINCT FROM NEW."holder"'
                ),
            ),
        ]

    def __str__(self) -> str:
        return self.id

    @property
    def amount(self) -> Money:
        return Money(self.amount_minor, self.currency)
