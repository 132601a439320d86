"""The books: places money can be, and movements between them that nothing can change."""

from typing import ClassVar

import pgtrigger
from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from paycore.money import Money


class LedgerAccount(models.Model):
    """One place money can be, in one currency. Busy places are split in shards: sum them for the balance.

    ``balance_minor`` is on the account's natural side: what we own or have spent for assets and expenses (debits minus
    credits), what we owe or have earned for liabilities and income (credits minus debits).
    """

    class Kind(models.TextChoices):
        ASSET = "asset", _("Asset")
        LIABILITY = "liability", _("Liability")
        INCOME = "income", _("Income")
        EXPENSE = "expense", _("Expense")

    id = models.BigAutoField(primary_key=True)
    code = models.CharField(_("code"), max_length=120, db_collation="C")
    currency = models.CharField(_("currency"), max_length=3)
    shard = models.SmallIntegerField(_("shard"), default=0)
    kind = models.CharField(_("kind"), max_length=9, choices=Kind)
    must_not_overdraw = models.BooleanField(_("must not overdraw"), default=False)
    balance_minor = models.BigIntegerField(_("balance (minor units)"), default=0)

    class Meta:
        app_label = "payments"
        verbose_name = _("ledger account")
        verbose_name_plural = _("ledger accounts")
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["code", "currency", "shard"], name="ledger_account_unique"),
            models.CheckConstraint(
                condition=models.Q(must_not_overdraw=False) | models.Q(balance_minor__gte=0),
                name="ledger_account_not_overdrawn",
            ),
        ]
        triggers: ClassVar = [pgtrigger.Protect(name="no_delete", operation=pgtrigger.Delete)]

    def __str__(self) -> str:
        return f"{self.code} {self.currency}" + (f"/{self.shard}" if self.shard else "")

    @property
    def balance(self) -> Money:
        return Money(self.balance_minor, self.currency)


class Posting(models.Model):
    """One business event in the books, posted once under (business type, id, phase)."""

    id = models.BigAutoField(primary_key=True)
    business_type = models.CharField(_("business type"), max_length=24)
    business_id = models.CharField(_("business id"), max_length=40, db_collation="C")
    phase = models.CharField(_("phase"), max_length=40)
    posted_at = models.DateTimeField(_("posted at"), db_default=Now())

    class Meta:
        app_label = "payments"
        verbose_name = _("posting")
        verbose_name_plural = _("postings")
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["business_type", "business_id", "phase"], name="posting_once"),
        ]
        indexes: ClassVar = [models.Index(fields=["posted_at", "id"], name="posting_by_time")]
        triggers: ClassVar = [pgtrigger.Protect(name="append_only", operation=pgtrigger.Update | pgtrigger.Delete)]

    def __str__(self) -> str:
        return f"{self.business_type} {self.business_id} {self.phase}"


class Transfer(models.Model):
    """One debit and one credit of one amount. Immutable; a correction is another transfer."""

    id = models.BigAutoField(primary_key=True)
    posting = models.ForeignKey(Posting, on_delete=models.PROTECT, related_name="transfers", verbose_name=_("posting"))
    debit_account = models.ForeignKey(
        LedgerAccount, on_delete=models.PROTECT, related_name="+", db_index=False, verbose_name=_("debit")
    )
    credit_account = models.ForeignKey(
        LedgerAccount, on_delete=models.PROTECT, related_name="+", db_index=False, verbose_name=_("credit")
    )
    amount_minor = models.BigIntegerField(_("amount (minor units)"))

    class Meta:
        app_label = "payments"
        verbose_name = _("transfer")
        verbose_name_plural = _("transfers")
        constraints: ClassVar = [
            models.CheckConstraint(condition=models.Q(amount_minor__gt=0), name="transfer_amount_positive"),
            models.CheckConstraint(
                condition=~models.Q(debit_account=models.F("credit_account")), name="transfer_between_two_accounts"
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["debit_account", "id"], name="transfer_debits"),
            models.Index(fields=["credit_account", "id"], name="transfer_credits"),
        ]
        triggers: ClassVar = [pgtrigger.Protect(name="append_only", operation=pgtrigger.Update | pgtrigger.Delete)]

    def __str__(self) -> str:
        return f"{self.amount_minor}: {self.debit_account_id} → {self.credit_account_id}"


class LedgerSeal(models.Model):
    """A link of the hash chain over the postings: ``sealed_until`` is exclusive, SHA-256 covers the previous link and
    every transfer of the stretch. Whoever alters a sealed row breaks the chain."""

    id = models.BigAutoField(primary_key=True)
    sealed_from = models.DateTimeField(_("from"))
    sealed_until = models.DateTimeField(_("until"), unique=True)
    transfer_count = models.IntegerField(_("transfers"))
    previous_hash = models.BinaryField(_("previous hash"), max_length=32)
    hash = models.BinaryField(_("hash"), max_length=32)
    created_at = models.DateTimeField(_("created"), db_default=Now())

    class Meta:
        app_label = "payments"
        verbose_name = _("ledger seal")
        verbose_name_plural = _("ledger seals")
        constraints: ClassVar = [models.UniqueConstraint(fields=["previous_hash"], name="ledger_seal_chain")]
        triggers: ClassVar = [pgtrigger.Protect(name="append_only", operation=pgtrigger.Update | pgtrigger.Delete)]

    def __str__(self) -> str:
        return f"{self.sealed_from:%F %T} … {self.sealed_until:%F %T}"
