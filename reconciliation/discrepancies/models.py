"""Where a statement and our books disagree, what somebody proposed, and who agreed."""

from typing import Any, ClassVar

import pgtrigger
from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from paycore.identifiers import PrefixedIdField
from reconciliation import transitions
from reconciliation.statements.models import Statement


class Discrepancy(models.Model):
    """A line and our record disagree, or one of the two is missing. Amounts are signed minor units: a refund is
    negative. ``subject_id`` is the payment or refund of ours that it is about, where there is one."""

    class Kind(models.TextChoices):
        MISSING_HERE = "missing_here", _("Missing in our books")
        MISSING_THERE = "missing_there", _("Missing in the statement")
        MISMATCH = "mismatch", _("Differs")

    class Aspect(models.TextChoices):
        NONE = "", _("–")
        UNKNOWN = "unknown", _("Unknown reference")
        NOT_SUCCEEDED = "not_succeeded", _("Not succeeded here")
        AMOUNT = "amount", _("Amount")
        FEE = "fee", _("Fee")
        CURRENCY = "currency", _("Currency")
        STATUS = "status", _("Status")
        DUPLICATE = "duplicate", _("Listed twice")

    class Status(models.TextChoices):
        OPEN = "open", _("Open")
        PROPOSED = "proposed", _("Waits for a second person")
        RESOLVED = "resolved", _("Resolved")

    class Resolution(models.TextChoices):
        NONE = "", _("–")
        DOOR = "door", _("Recorded as evidence")
        VANISHED = "vanished", _("A newer file no longer has it")
        FOUND = "found", _("Found on another day")
        WRITTEN_OFF = "write_off", _("Books follow the statement")
        RETURNED = "returned", _("Given back at the gateway")
        IGNORED = "ignore", _("Books stay as they are")

    id = PrefixedIdField(prefix="dis")
    statement = models.ForeignKey(
        Statement, on_delete=models.PROTECT, related_name="discrepancies", db_index=False, verbose_name=_("statement")
    )
    gateway_account = models.ForeignKey(
        "payments.GatewayAccount", on_delete=models.PROTECT, db_index=False, verbose_name=_("gateway account")
    )
    day = models.DateField(_("day"))
    kind = models.CharField(_("kind"), max_length=13, choices=Kind)
    aspect = models.CharField(_("aspect"), max_length=13, choices=Aspect, blank=True, default="")
    status = models.CharField(_("status"), max_length=8, choices=Status, default=Status.OPEN)
    reference = models.CharField(_("reference"), max_length=128, db_collation="C")
    subject_id = models.CharField(_("about"), max_length=40, blank=True, default="", db_collation="C")
    line_number = models.BigIntegerField(_("line"), null=True, blank=True)
    their_amount_minor = models.BigIntegerField(_("amount in the statement (minor units)"), null=True, blank=True)
    their_fee_minor = models.BigIntegerField(_("fee in the statement (minor units)"), null=True, blank=True)
    their_currency = models.CharField(_("currency in the statement"), max_length=3, blank=True, default="")
    our_amount_minor = models.BigIntegerField(_("amount in our books (minor units)"), null=True, blank=True)
    our_fee_minor = models.BigIntegerField(_("fee in our books (minor units)"), null=True, blank=True)
    our_currency = models.CharField(_("currency in our books"), max_length=3, blank=True, default="")
    size_minor = models.BigIntegerField(_("size (minor units)"), default=0)
    is_in_suspense = models.BooleanField(_("in suspense"), default=False)
    resolution = models.CharField(_("resolution"), max_length=10, choices=Resolution, blank=True, default="")
    attempts = models.SmallIntegerField(_("attempts"), default=0)
    next_attempt_at = models.DateTimeField(_("next attempt"), null=True, blank=True)
    assigned_to = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, verbose_name=_("assigned to")
    )
    created_at = models.DateTimeField(_("found"), db_default=Now())
    resolved_at = models.DateTimeField(_("resolved at"), null=True, blank=True)

    class Meta:
        app_label = "reconciliation"
        verbose_name = _("discrepancy")
        verbose_name_plural = _("discrepancies")
        permissions: ClassVar = [("approve_discrepancy", "Can approve what another person proposed")]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["statement", "reference", "kind", "aspect"],
                condition=~Q(status="resolved"),
                name="discrepancy_one_unresolved",
            ),
            models.CheckConstraint(
                condition=Q(status="resolved", resolved_at__isnull=False, next_attempt_at__isnull=True)
                & ~Q(resolution="")
                | ~Q(status="resolved") & Q(resolved_at__isnull=True, resolution=""),
                name="discrepancy_resolved_says_how",
            ),
            models.CheckConstraint(
                condition=Q(status="resolved", is_in_suspense=False) | ~Q(status="resolved"),
                name="discrepancy_resolved_left_suspense",
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["statement", "status"], name="discrepancy_by_statement"),
            models.Index(fields=["-id"], condition=~Q(status="resolved"), name="discrepancy_unresolved"),
            models.Index(fields=["reference"], name="discrepancy_by_reference"),
            models.Index(fields=["subject_id"], condition=~Q(subject_id=""), name="discrepancy_by_subject"),
            models.Index(
                fields=["next_attempt_at"], condition=Q(next_attempt_at__isnull=False), name="discrepancy_due"
            ),
        ]
        triggers: ClassVar = [
            transitions.DISCREPANCY.trigger(),
            pgtrigger.Protect(name="no_delete", operation=pgtrigger.Delete),
            pgtrigger.ReadOnly(name="fixed_terms", fields=["statement", "gateway_account", "day", "kind", "reference"]),
            pgtrigger.Trigger(
                name="needs_approval",
                when=pgtrigger.Before,
                operation=pgtrigger.Update,
                condition=pgtrigger.Q(new__status="resolved", new__resolution__in=["write_off", "returned", "ignore"])
                & ~pgtrigger.Q(old__status="resolved"),
                func="""
                    IF NOT EXISTS (
                        SELECT FROM reconciliation_proposal AS p
                        WHERE p.discrepancy_id = NEW.id AND p.status = 'approved' AND p.remedy = NEW.resolution
                    ) THEN
                        RAISE EXCEPTION 'a discrepancy is resolved by what a second person approved';
                    END IF;
                    RETURN NEW;
                """,
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.reference}"

    @property
    def facts(self) -> dict[str, Any]:
        """What a decision is about: when any of this changes, it is another decision."""
        return {
            "kind": self.kind,
            "aspect": self.aspect,
            "reference": self.reference,
            "theirs": [self.their_amount_minor, self.their_fee_minor, self.their_currency],
            "ours": [self.our_amount_minor, self.our_fee_minor, self.our_currency],
            "in_suspense": self.is_in_suspense,
        }


class Proposal(models.Model):
    """What somebody wants done about a discrepancy; another person decides. ``fingerprint`` is the SHA-256 of what
    would be done, so that nobody approves something else than was looked at."""

    class Remedy(models.TextChoices):
        WRITE_OFF = "write_off", _("Books follow the statement; the difference is ours")
        RETURNED = "returned", _("Given back at the gateway; take it out of suspense")
        IGNORE = "ignore", _("Books stay as they are")

    class Status(models.TextChoices):
        WAITING = "waiting", _("Waiting")
        APPROVED = "approved", _("Approved")
        REJECTED = "rejected", _("Rejected")
        WITHDRAWN = "withdrawn", _("Withdrawn")

    id = PrefixedIdField(prefix="ppl")
    discrepancy = models.ForeignKey(
        Discrepancy, on_delete=models.PROTECT, related_name="proposals", verbose_name=_("discrepancy")
    )
    remedy = models.CharField(_("remedy"), max_length=10, choices=Remedy)
    reason = models.CharField(_("reason"), max_length=300)
    status = models.CharField(_("status"), max_length=9, choices=Status, default=Status.WAITING)
    fingerprint = models.CharField(_("fingerprint"), max_length=64)
    proposed_by = models.CharField(_("proposed by"), max_length=40)
    decided_by = models.CharField(_("decided by"), max_length=40, blank=True, default="")
    note = models.CharField(_("note"), max_length=300, blank=True, default="")
    created_at = models.DateTimeField(_("proposed"), db_default=Now())
    decided_at = models.DateTimeField(_("decided"), null=True, blank=True)

    class Meta:
        app_label = "reconciliation"
        verbose_name = _("proposal")
        verbose_name_plural = _("proposals")
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["discrepancy"], condition=Q(status="waiting"), name="proposal_one_waiting"),
            models.UniqueConstraint(
                fields=["discrepancy"], condition=Q(status="approved"), name="proposal_one_approved"
            ),
            models.CheckConstraint(
                condition=~Q(status__in=["approved", "rejected"])
                | (~Q(decided_by=F("proposed_by")) & ~Q(decided_by="")),
                name="proposal_decided_by_another",
            ),
        ]
        triggers: ClassVar = [
            transitions.PROPOSAL.trigger(),
            pgtrigger.Protect(name="no_delete", operation=pgtrigger.Delete),
            pgtrigger.ReadOnly(
                name="fixed_terms", fields=["discrepancy", "remedy", "reason", "fingerprint", "proposed_by"]
            ),
        ]

    def __str__(self) -> str:
        return f"{self.remedy} {self.discrepancy_id}"


class DiscrepancyNote(models.Model):
    """What somebody wrote about a discrepancy. Append-only."""

    id = models.BigAutoField(primary_key=True)
    discrepancy = models.ForeignKey(
        Discrepancy, on_delete=models.PROTECT, related_name="notes", verbose_name=_("discrepancy")
    )
    written_by = models.CharField(_("written by"), max_length=40)
    text = models.CharField(_("text"), max_length=1000)
    written_at = models.DateTimeField(_("written"), db_default=Now())

    class Meta:
        app_label = "reconciliation"
        verbose_name = _("note")
        verbose_name_plural = _("notes")
        triggers: ClassVar = [pgtrigger.Protect(name="append_only", operation=pgtrigger.Update | pgtrigger.Delete)]

    def __str__(self) -> str:
        return f"{self.discrepancy_id} {self.written_at:%F}"
