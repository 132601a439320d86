"""A gateway account's statement of one day, its files, and records that wait for the next day's."""

from typing import ClassVar

import pgtrigger
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from paycore.identifiers import PrefixedIdField
from reconciliation import transitions


class Statement(models.Model):
    """What the provider says of one day (its own calendar). A row exists from the moment a statement is expected, so
    that a day without one is seen."""

    class Status(models.TextChoices):
        EXPECTED = "expected", _("Not received")
        FETCHED = "fetched", pgettext_lazy("statement", "Received")
        PARSED = "parsed", _("Read")
        MATCHED = "matched", _("Compared")
        CLOSED = "closed", _("Closed")
        FAILED = "failed", _("Cannot be read")

    class Phase(models.TextChoices):
        WAITING = "waiting", _("Waiting")
        READING = "reading", _("Reading")
        COMPARING = "comparing", _("Comparing")
        DONE = "done", _("Done")

    id = PrefixedIdField(prefix="stm")
    gateway_account = models.ForeignKey(
        "payments.GatewayAccount", on_delete=models.PROTECT, db_index=False, verbose_name=_("gateway account")
    )
    day = models.DateField(_("day"))
    status = models.CharField(_("status"), max_length=10, choices=Status, default=Status.EXPECTED)
    phase = models.CharField(_("phase"), max_length=10, choices=Phase, default=Phase.WAITING)
    revision = models.IntegerField(_("revision"), default=0)
    is_provisional = models.BooleanField(_("day not over"), default=False)
    covers_until = models.DateTimeField(_("covers until"), null=True, blank=True)
    attempts = models.IntegerField(_("attempts"), default=0)
    last_problem = models.CharField(_("last problem"), max_length=200, blank=True, default="")
    next_attempt_at = models.DateTimeField(_("next attempt"), null=True, blank=True)
    lines_read = models.BigIntegerField(_("lines read"), default=0)
    failure_code = models.CharField(_("failure code"), max_length=40, blank=True, default="")
    failure_line = models.BigIntegerField(_("failure line"), default=0)
    failure_detail = models.CharField(_("failure detail"), max_length=200, blank=True, default="")
    totals = models.JSONField(_("totals"), default=dict, blank=True)
    matched_lines = models.BigIntegerField(_("matched lines"), default=0)
    carried_records = models.IntegerField(_("carried over"), default=0)
    received_at = models.DateTimeField(_("received"), null=True, blank=True)
    matched_at = models.DateTimeField(_("compared"), null=True, blank=True)
    created_at = models.DateTimeField(_("created"), db_default=Now())

    class Meta:
        app_label = "reconciliation"
        verbose_name = _("statement")
        verbose_name_plural = _("statements")
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["gateway_account", "day"], name="statement_one_a_day"),
            models.CheckConstraint(
                condition=Q(status__in=["expected", "fetched", "parsed"], next_attempt_at__isnull=False)
                | Q(status__in=["matched", "closed", "failed"], is_provisional=False, next_attempt_at__isnull=True)
                | Q(status__in=["matched", "failed"], is_provisional=True, next_attempt_at__isnull=False),
                name="statement_unfinished_is_looked_at",
            ),
            models.CheckConstraint(
                condition=Q(status="expected", revision=0) | (~Q(status="expected") & Q(revision__gte=1)),
                name="statement_received_has_file",
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["next_attempt_at"], condition=Q(next_attempt_at__isnull=False), name="statement_due"),
            models.Index(fields=["-day", "-id"], name="statement_by_day"),
        ]
        triggers: ClassVar = [
            transitions.STATEMENT.trigger(),
            pgtrigger.Protect(name="no_delete", operation=pgtrigger.Delete),
            pgtrigger.ReadOnly(name="fixed_terms", fields=["gateway_account", "day"]),
        ]

    def __str__(self) -> str:
        return f"{self.gateway_account_id} {self.day}"

    @property
    def stage_table(self) -> str:
        """Where the lines of this statement stand while they are compared."""
        return f"reconciliation_stage_{self.id.removeprefix('stm_')}"


class StatementFile(models.Model):
    """One file as it came, for ever. The newest revision is the one that counts."""

    class Source(models.TextChoices):
        FETCHED = "fetched", _("Fetched")
        UPLOADED = "uploaded", _("Uploaded")

    id = models.BigAutoField(primary_key=True)
    statement = models.ForeignKey(
        Statement, on_delete=models.PROTECT, related_name="files", db_index=False, verbose_name=_("statement")
    )
    revision = models.IntegerField(_("revision"))
    sha256 = models.BinaryField(_("SHA-256"), max_length=32)
    size_bytes = models.BigIntegerField(_("size (bytes)"))
    source = models.CharField(_("source"), max_length=10, choices=Source)
    uploaded_by = models.CharField(_("uploaded by"), max_length=40, blank=True, default="")
    received_at = models.DateTimeField(_("received"), db_default=Now())

    class Meta:
        app_label = "reconciliation"
        verbose_name = _("statement file")
        verbose_name_plural = _("statement files")
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["statement", "revision"], name="statement_file_revision_unique"),
        ]
        triggers: ClassVar = [pgtrigger.Protect(name="append_only", operation=pgtrigger.Update | pgtrigger.Delete)]

    def __str__(self) -> str:
        return f"{self.statement_id} #{self.revision}"


class StatementChunk(models.Model):
    """A stretch of a file's bytes: files are written and read in pieces, so that memory does not grow with them."""

    id = models.BigAutoField(primary_key=True)
    file = models.ForeignKey(
        StatementFile, on_delete=models.PROTECT, related_name="chunks", db_index=False, verbose_name=_("file")
    )
    position = models.IntegerField(_("position"))
    body = models.BinaryField(_("bytes"))

    class Meta:
        app_label = "reconciliation"
        verbose_name = _("statement file's bytes")
        verbose_name_plural = _("statement files' bytes")
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["file", "position"], name="statement_chunk_position_unique"),
        ]
        triggers: ClassVar = [pgtrigger.Protect(name="append_only", operation=pgtrigger.Update | pgtrigger.Delete)]

    def __str__(self) -> str:
        return f"{self.file_id}/{self.position}"


class CarriedRecord(models.Model):
    """A record of ours near the end of a day that the day's statement does not have: the next day's may.

    Or the reverse (``EARLY``): their line came in the statement of another day than our record is of."""

    class Status(models.TextChoices):
        WAITING = "waiting", _("Waiting for the next day")
        SETTLED = "settled", _("Found on another day")
        MISSED = "missed", _("Not found")
        EARLY = "early", _("Their line is of another day")

    id = models.BigAutoField(primary_key=True)
    gateway_account = models.ForeignKey(
        "payments.GatewayAccount", on_delete=models.PROTECT, db_index=False, verbose_name=_("gateway account")
    )
    reference = models.CharField(_("reference"), max_length=128, db_collation="C")
    status = models.CharField(_("status"), max_length=8, choices=Status)
    day = models.DateField(_("day"))
    misses = models.SmallIntegerField(_("statements without it"), default=0)
    record = models.JSONField(_("our record"), default=dict)
    statement = models.ForeignKey(
        Statement, on_delete=models.PROTECT, related_name="carried", verbose_name=_("first looked for in")
    )
    decided_by = models.ForeignKey(
        Statement,
        on_delete=models.PROTECT,
        null=True,
        related_name="+",
        verbose_name=pgettext_lazy("statement", "decided by"),
    )

    class Meta:
        app_label = "reconciliation"
        verbose_name = _("carried record")
        verbose_name_plural = _("carried records")
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["gateway_account", "reference"], name="carried_record_unique"),
        ]
        indexes: ClassVar = [
            models.Index(fields=["gateway_account", "day"], condition=Q(status="waiting"), name="carried_waiting"),
        ]

    def __str__(self) -> str:
        return f"{self.reference} {self.status}"
