"""The journal: what was decided about each attempt to pay, from which facts and why. Append-only."""

from typing import ClassVar

import pgtrigger
from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from paycore.identifiers import PrefixedIdField
from riskcontrol.models.rules import Action, Rule

APPEND_ONLY = pgtrigger.Update | pgtrigger.Delete


class Decision(models.Model):
    """``facts`` are what rules could read then; ``reserved`` is what the attempt took of which limits."""

    id = PrefixedIdField(prefix="rsk")
    subject_id = models.CharField(_("about"), max_length=40, db_collation="C")
    merchant = models.ForeignKey(
        "merchants.Merchant", on_delete=models.PROTECT, db_index=False, related_name="+", verbose_name=_("merchant")
    )
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        null=True,
        db_index=False,
        related_name="+",
        verbose_name=_("user"),
    )
    amount_minor = models.BigIntegerField(_("amount (minor units)"))
    currency = models.CharField(_("currency"), max_length=3)
    method = models.CharField(_("payment method"), max_length=40)
    ip = models.CharField(_("IP address"), max_length=45, blank=True, default="", db_collation="C")
    device_id = models.CharField(_("device"), max_length=64, blank=True, default="", db_collation="C")
    payment_method_key = models.CharField(
        _("saved payment method"), max_length=64, blank=True, default="", db_collation="C"
    )
    action = models.CharField(_("action"), max_length=10, choices=Action)
    delay_seconds = models.IntegerField(_("delay (seconds)"), default=0)
    refusal = models.CharField(
        _("refused with"), max_length=40, blank=True, default="", help_text=_("The error's code; empty: it went on.")
    )
    reasons = models.JSONField(_("reasons"), default=list)
    facts = models.JSONField(_("facts"), default=dict)
    reserved = models.JSONField(_("taken of limits"), default=list)
    decided_at = models.DateTimeField(_("decided"), db_default=Now())

    class Meta:
        verbose_name = _("risk decision")
        verbose_name_plural = _("risk decisions")
        # Ids sort by time: "the last hour of this device" is one span of an index.
        indexes: ClassVar = [
            models.Index(fields=["subject_id"], name="decision_by_subject"),
            models.Index(fields=["merchant", "id"], name="decision_by_merchant"),
            models.Index(fields=["user", "id"], condition=Q(user__isnull=False), name="decision_by_user"),
            models.Index(fields=["ip", "id"], condition=~Q(ip=""), name="decision_by_ip"),
            models.Index(fields=["device_id", "id"], condition=~Q(device_id=""), name="decision_by_device"),
            models.Index(
                fields=["payment_method_key", "id"], condition=~Q(payment_method_key=""), name="decision_by_method_key"
            ),
        ]
        triggers: ClassVar = [pgtrigger.Protect(name="append_only", operation=APPEND_ONLY)]

    def __str__(self) -> str:
        return f"{self.get_action_display()} {self.subject_id}"


class Hit(models.Model):
    """A rule that matched an attempt, acting or (in shadow) not."""

    id = models.BigAutoField(primary_key=True)
    decision = models.ForeignKey(
        Decision, on_delete=models.PROTECT, related_name="hits", verbose_name=_("risk decision")
    )
    rule = models.ForeignKey(
        Rule, on_delete=models.PROTECT, db_index=False, related_name="hits", verbose_name=_("rule")
    )
    rule_version = models.IntegerField(_("version"))
    action = models.CharField(_("action"), max_length=10, choices=Action)
    is_shadow = models.BooleanField(_("shadow"))
    is_fallback = models.BooleanField(
        _("not evaluated"), default=False, help_text=_("A fact was unavailable or the rule raised an error.")
    )
    happened_at = models.DateTimeField(_("happened"), db_default=Now())

    class Meta:
        verbose_name = _("rule hit")
        verbose_name_plural = _("rule hits")
        indexes: ClassVar = [models.Index(fields=["rule", "happened_at"], name="hit_by_rule")]
        triggers: ClassVar = [pgtrigger.Protect(name="append_only", operation=APPEND_ONLY)]

    def __str__(self) -> str:
        return f"{self.rule_id} {self.decision_id}"


class Outcome(models.Model):
    """What became of an attempt. ``occasion`` is the id of what told it (a payment, a refund, a dispute)."""

    class Kind(models.TextChoices):
        FAILED = "failed", _("Failed")
        SUCCEEDED_LATE = "succeeded_late", _("Succeeded after all")
        REFUNDED = "refunded", _("Refunded")
        DISPUTED = "disputed", _("Disputed")

    id = models.BigAutoField(primary_key=True)
    decision = models.ForeignKey(
        Decision, on_delete=models.PROTECT, db_index=False, related_name="outcomes", verbose_name=_("risk decision")
    )
    kind = models.CharField(_("kind"), max_length=14, choices=Kind)
    occasion = models.CharField(_("told by"), max_length=64, db_collation="C")
    amount_minor = models.BigIntegerField(_("amount (minor units)"), null=True)
    currency = models.CharField(_("currency"), max_length=3, blank=True, default="")
    recorded_at = models.DateTimeField(_("recorded"), db_default=Now())

    class Meta:
        verbose_name = _("outcome")
        verbose_name_plural = _("outcomes")
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["decision", "kind", "occasion"], name="outcome_once"),
        ]
        indexes: ClassVar = [models.Index(fields=["recorded_at"], name="outcome_by_time")]
        triggers: ClassVar = [pgtrigger.Protect(name="append_only", operation=APPEND_ONLY)]

    def __str__(self) -> str:
        return f"{self.kind} {self.decision_id}"
