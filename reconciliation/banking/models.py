"""What the bank says: files, booked lines, and what each line's money was used for. A gateway account of
``bank_transfer`` is the bank account."""

from typing import Any, ClassVar

import pgtrigger
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from paycore.encryption import EncryptedBinaryField, EncryptedTextField
from paycore.identifiers import PrefixedIdField
from paycore.money import Money
from reconciliation import transitions


class BankStatement(models.Model):
    """A file from the bank, as it came. The same bytes for the same account are one row."""

    class Status(models.TextChoices):
        RECEIVED = "received", _("Not read yet")
        READ = "read", _("Read")
        REFUSED = "refused", _("Refused")

    id = PrefixedIdField(prefix="bst")
    gateway_account = models.ForeignKey(
        "payments.GatewayAccount", on_delete=models.PROTECT, db_index=False, verbose_name=_("bank account")
    )
    status = models.CharField(_("status"), max_length=8, choices=Status, default=Status.RECEIVED)
    file_name = models.CharField(_("file name"), max_length=120, blank=True, default="")
    format = models.CharField(_("format"), max_length=8, blank=True, default="")
    sha256 = models.CharField(_("SHA-256"), max_length=64)
    size_bytes = models.BigIntegerField(_("size (bytes)"))
    body = EncryptedBinaryField(verbose_name=_("file"))
    failure_code = models.CharField(_("failure code"), max_length=40, blank=True, default="")
    failure_detail = models.CharField(_("failure detail"), max_length=200, blank=True, default="")
    lines_read = models.IntegerField(_("lines"), default=0)
    lines_new = models.IntegerField(_("new lines"), default=0)
    uploaded_by = models.CharField(_("uploaded by"), max_length=40, blank=True, default="")
    next_attempt_at = models.DateTimeField(_("next attempt"), null=True, blank=True)
    created_at = models.DateTimeField(_("received"), db_default=Now())

    class Meta:
        app_label = "reconciliation"
        verbose_name = _("bank statement")
        verbose_name_plural = _("bank statements")
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["gateway_account", "sha256"], name="bank_statement_once"),
            models.CheckConstraint(
                condition=Q(status="received", next_attempt_at__isnull=False)
                | ~Q(status="received") & Q(next_attempt_at__isnull=True),
                name="bank_statement_unread_is_looked_at",
            ),
        ]
        indexes: ClassVar = [
            models.Index(
                fields=["next_attempt_at"], condition=Q(next_attempt_at__isnull=False), name="bank_statement_due"
            ),
        ]
        triggers: ClassVar = [
            transitions.BANK_STATEMENT.trigger(),
            pgtrigger.Protect(name="no_delete", operation=pgtrigger.Delete),
            pgtrigger.ReadOnly(name="fixed_terms", fields=["gateway_account", "sha256", "uploaded_by"]),
        ]

    def __str__(self) -> str:
        return self.file_name or self.id


class BankEntry(models.Model):
    """One line that the bank booked. ``fingerprint`` is equal for the same line in two files. ``payment`` is the one
    that its money is meant for, where that is known; ``unallocated_minor`` is what of it is still in suspense."""

    class Direction(models.TextChoices):
        CREDIT = "credit", _("In")
        DEBIT = "debit", _("Out")

    class Status(models.TextChoices):
        RECEIVED = "received", _("Not looked at yet")
        OPEN = "open", _("Open")
        DONE = "done", _("Done")

    class Question(models.TextChoices):
        NONE = "", _("–")
        UNDERPAID = "underpaid", _("Less than was owed")
        OVERPAID = "overpaid", _("More than was owed")
        UNKNOWN = "unknown", _("Nobody knows what it is for")
        RETURNED = "returned", _("A payout came back")

    id = PrefixedIdField(prefix="ben")
    statement = models.ForeignKey(
        BankStatement, on_delete=models.PROTECT, related_name="entries", verbose_name=_("bank statement")
    )
    gateway_account = models.ForeignKey(
        "payments.GatewayAccount", on_delete=models.PROTECT, db_index=False, verbose_name=_("bank account")
    )
    position = models.IntegerField(_("place in the file"))
    fingerprint = models.CharField(_("fingerprint"), max_length=64)
    direction = models.CharField(_("direction"), max_length=6, choices=Direction)
    amount_minor = models.BigIntegerField(_("amount (minor units)"))
    unallocated_minor = models.BigIntegerField(_("not used yet (minor units)"))
    currency = models.CharField(_("currency"), max_length=3)
    booked_on = models.DateField(_("booked"))
    value_on = models.DateField(_("value date"))
    is_return = models.BooleanField(_("came back"), default=False)
    end_to_end_id = models.CharField(_("end-to-end id"), max_length=35, blank=True, default="", db_collation="C")
    bank_reference = models.CharField(_("bank's reference"), max_length=64, blank=True, default="")
    references = models.JSONField(_("references found"), default=list, blank=True)
    remittance = EncryptedTextField(verbose_name=_("text"))
    counterparty_name = EncryptedTextField(verbose_name=_("other side's name"))
    counterparty_iban = EncryptedTextField(verbose_name=_("other side's IBAN"))
    status = models.CharField(_("status"), max_length=8, choices=Status, default=Status.RECEIVED)
    question = models.CharField(_("open question"), max_length=10, choices=Question, blank=True, default="")
    payment = models.ForeignKey(
        "payments.Payment",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        db_index=False,
        verbose_name=_("payment"),
    )
    attempts = models.SmallIntegerField(_("attempts"), default=0)
    next_attempt_at = models.DateTimeField(_("next attempt"), null=True, blank=True)
    created_at = models.DateTimeField(_("created"), db_default=Now())

    class Meta:
        app_label = "reconciliation"
        verbose_name = _("bank line")
        verbose_name_plural = _("bank lines")
        permissions: ClassVar = [("approve_bankentry", "Can approve what another person proposed about a bank line")]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["gateway_account", "fingerprint"], name="bank_entry_once"),
            models.CheckConstraint(
                condition=Q(amount_minor__gt=0, unallocated_minor__gte=0, unallocated_minor__lte=F("amount_minor")),
                name="bank_entry_amounts_nested",
            ),
            models.CheckConstraint(
                condition=Q(status="received", next_attempt_at__isnull=False, unallocated_minor=F("amount_minor"))
                | Q(status="open", next_attempt_at__isnull=True, unallocated_minor__gt=0) & ~Q(question="")
                | Q(status="done", next_attempt_at__isnull=True, unallocated_minor=0),
                name="bank_entry_state_says_what_is_left",
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["next_attempt_at"], condition=Q(next_attempt_at__isnull=False), name="bank_entry_due"),
            models.Index(fields=["payment"], condition=Q(payment__isnull=False), name="bank_entry_by_payment"),
            models.Index(fields=["-id"], condition=Q(status="open"), name="bank_entry_open"),
            models.Index(fields=["gateway_account", "booked_on"], name="bank_entry_by_day"),
        ]
        triggers: ClassVar = [
            transitions.BANK_ENTRY.trigger(),
            pgtrigger.Protect(name="no_delete", operation=pgtrigger.Delete),
            pgtrigger.ReadOnly(
                name="fixed_terms",
                fields=["statement", "gateway_account", "fingerprint", "direction", "amount_minor", "currency"],
            ),
        ]

    def __str__(self) -> str:
        return self.id

    @property
    def amount(self) -> Money:
        return Money(self.amount_minor, self.currency)

    @property
    def unallocated(self) -> Money:
        return Money(self.unallocated_minor, self.currency)

    @property
    def is_credit(self) -> bool:
        return self.direction == self.Direction.CREDIT

    @property
    def facts(self) -> dict[str, Any]:
        """What a decision is about: when any of this changes, it is another decision."""
        return {
            "entry": self.id,
            "status": self.status,
            "question": self.question,
            "unallocated_minor": self.unallocated_minor,
            "currency": self.currency,
            "payment": self.payment_id,
        }


class BankAllocation(models.Model):
    """What a part of a line's money was used for. Append-only."""

    class Purpose(models.TextChoices):
        PAYMENT = "payment", _("A payment")
        PAYOUT = "payout", _("A payout")
        WRITE_OFF = "write_off", _("Our cost or gain")

    id = models.BigAutoField(primary_key=True)
    entry = models.ForeignKey(
        BankEntry, on_delete=models.PROTECT, related_name="allocations", verbose_name=_("bank line")
    )
    purpose = models.CharField(_("used for"), max_length=10, choices=Purpose)
    subject_id = models.CharField(_("about"), max_length=40, db_collation="C")
    amount_minor = models.BigIntegerField(_("amount (minor units)"))
    created_at = models.DateTimeField(_("when"), db_default=Now())

    class Meta:
        app_label = "reconciliation"
        verbose_name = _("use of a bank line")
        verbose_name_plural = _("uses of bank lines")
        constraints: ClassVar = [
            models.CheckConstraint(condition=Q(amount_minor__gt=0), name="bank_allocation_positive"),
        ]
        indexes: ClassVar = [models.Index(fields=["subject_id"], name="bank_allocation_by_subject")]
        triggers: ClassVar = [pgtrigger.Protect(name="append_only", operation=pgtrigger.Update | pgtrigger.Delete)]

    def __str__(self) -> str:
        return f"{self.entry_id} {self.subject_id}"


class BankDecision(models.Model):
    """What somebody wants done with an open line. Above a limit another person decides; ``fingerprint`` is the SHA-256
    of what would be done, so that nobody approves something else than was looked at."""

    class Remedy(models.TextChoices):
        ASSIGN = "assign", _("It pays this payment")
        RETURN = "return", _("Send it back")
        ACCEPT_SHORT = "accept_short", _("Take it as full payment; the rest is our cost")
        WRITE_OFF = "write_off", _("Book it as our cost or gain")

    class Status(models.TextChoices):
        WAITING = "waiting", _("Waiting")
        APPROVED = "approved", _("Approved")
        REJECTED = "rejected", _("Rejected")
        WITHDRAWN = "withdrawn", _("Withdrawn")

    id = PrefixedIdField(prefix="bdc")
    entry = models.ForeignKey(
        BankEntry, on_delete=models.PROTECT, related_name="decisions", verbose_name=_("bank line")
    )
    remedy = models.CharField(_("what shall be done"), max_length=12, choices=Remedy)
    payment_id = models.CharField(_("payment"), max_length=40, blank=True, default="", db_collation="C")
    reason = models.CharField(_("reason"), max_length=300)
    status = models.CharField(_("status"), max_length=9, choices=Status, default=Status.WAITING)
    needs_second_person = models.BooleanField(_("needs a second person"), default=True)
    fingerprint = models.CharField(_("fingerprint"), max_length=64)
    proposed_by = models.CharField(_("proposed by"), max_length=40)
    decided_by = models.CharField(_("decided by"), max_length=40, blank=True, default="")
    note = models.CharField(_("note"), max_length=300, blank=True, default="")
    created_at = models.DateTimeField(_("proposed"), db_default=Now())
    decided_at = models.DateTimeField(_("decided"), null=True, blank=True)

    class Meta:
        app_label = "reconciliation"
        verbose_name = _("decision about a bank line")
        verbose_name_plural = _("decisions about bank lines")
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["entry"], condition=Q(status="waiting"), name="bank_decision_one_waiting"),
            models.CheckConstraint(
                condition=~Q(status__in=["approved", "rejected"])
                | ~Q(decided_by="") & (Q(needs_second_person=False) | ~Q(decided_by=F("proposed_by"))),
                name="bank_decision_by_another",
            ),
        ]
        triggers: ClassVar = [
            transitions.BANK_DECISION.trigger(),
            pgtrigger.Protect(name="no_delete", operation=pgtrigger.Delete),
            pgtrigger.ReadOnly(
                name="fixed_terms",
                fields=["entry", "remedy", "payment_id", "reason", "fingerprint", "proposed_by", "needs_second_person"],
            ),
        ]

    def __str__(self) -> str:
        return f"{self.remedy} {self.entry_id}"
