"""Rules that say where payments go, in sets that one person writes and another activates."""

from typing import ClassVar

import pgtrigger
from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from paycore.identifiers import PrefixedIdField
from payments.routing.models.accounts import check_time_zone
from payments.routing.transitions import RULE_SET


class RoutingRuleSet(models.Model):
    """All rules of the platform (no merchant) or of one merchant, as one version. Only a draft can be changed."""

    class Status(models.TextChoices):
        DRAFT = "draft", _("Draft")
        ACTIVE = "active", _("Active")
        RETIRED = "retired", _("Retired")

    id = PrefixedIdField(prefix="rrs")
    merchant = models.ForeignKey(
        "merchants.Merchant",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        verbose_name=_("merchant"),
        help_text=_("Empty: the platform's own, for all merchants."),
    )
    version = models.IntegerField(_("version"), editable=False)
    status = models.CharField(_("status"), max_length=8, choices=Status, default=Status.DRAFT, editable=False)
    note = models.CharField(_("what it is for"), max_length=200, blank=True, default="")
    time_zone = models.CharField(
        _("time zone"),
        max_length=40,
        default="UTC",
        validators=[check_time_zone],
        help_text=_("For weekdays and hours."),
    )
    authors = ArrayField(models.CharField(max_length=40), default=list, editable=False, verbose_name=_("written by"))
    activated_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        null=True,
        editable=False,
        related_name="+",
        verbose_name=_("activated by"),
    )
    activated_at = models.DateTimeField(_("activated"), null=True, editable=False)
    retired_at = models.DateTimeField(_("retired"), null=True, editable=False)
    created_at = models.DateTimeField(_("created"), db_default=Now(), editable=False)

    class Meta:
        app_label = "payments"
        verbose_name = _("routing rule set")
        verbose_name_plural = _("routing rule sets")
        permissions: ClassVar = [("activate_routingruleset", "Can activate and retire routing rule sets")]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["merchant", "version"], name="routing_rule_set_version_unique", nulls_distinct=False
            ),
            models.UniqueConstraint(
                fields=["merchant"],
                condition=Q(status="active"),
                name="routing_rule_set_one_active",
                nulls_distinct=False,
            ),
            models.CheckConstraint(
                condition=~Q(status="active") | Q(activated_by__isnull=False, activated_at__isnull=False),
                name="routing_rule_set_activated_by",
            ),
        ]
        triggers: ClassVar = [
            RULE_SET.trigger(),
            pgtrigger.Protect(name="no_delete", operation=pgtrigger.Delete),
            pgtrigger.ReadOnly(name="fixed_scope", fields=["merchant", "version"]),
            pgtrigger.Trigger(
                name="second_person",
                when=pgtrigger.Before,
                operation=pgtrigger.Update,
                func="""
                    IF NEW.status = 'active' AND NEW.activated_by_id = ANY(NEW.authors) THEN
                        RAISE EXCEPTION 'who wrote a rule set does not activate it';
                    END IF;
                    RETURN NEW;
                """,
            ),
        ]

    def __str__(self) -> str:
        owner = self.merchant.name if self.merchant_id and self.merchant else _("Platform")
        return f"{owner} · {self.version}"


_ONLY_DRAFTS = """
    IF (SELECT status FROM payments_routingruleset WHERE id = coalesce(NEW.rule_set_id, OLD.rule_set_id)) <> 'draft'
    THEN
        RAISE EXCEPTION 'only the rules of a draft can be changed';
    END IF;
    RETURN coalesce(NEW, OLD);
"""


class RoutingRule(models.Model):
    """Which payments it is about, and what it does with them. Of each kind the first one that matches counts."""

    class Kind(models.TextChoices):
        PREFER = "prefer", _("Try these first, in this order")
        SPLIT = "split", _("Share out by percentage")
        EXCLUDE = "exclude", _("Never use these")

    id = PrefixedIdField(prefix="rru")
    rule_set = models.ForeignKey(
        RoutingRuleSet, on_delete=models.CASCADE, related_name="rules", verbose_name=_("routing rule set")
    )
    position = models.IntegerField(_("position"), default=10, help_text=_("The lowest is asked first."))
    name = models.CharField(_("name"), max_length=80)
    methods = ArrayField(
        models.CharField(max_length=24), default=list, blank=True, verbose_name=_("methods"), help_text=_("Empty: any.")
    )
    currencies = ArrayField(
        models.CharField(max_length=3),
        default=list,
        blank=True,
        verbose_name=_("currencies"),
        help_text=_("Empty: any."),
    )
    countries = ArrayField(
        models.CharField(max_length=2),
        default=list,
        blank=True,
        verbose_name=_("payers' countries"),
        help_text=_("Empty: any."),
    )
    min_amount_minor = models.BigIntegerField(_("smallest amount (minor units)"), null=True, blank=True)
    max_amount_minor = models.BigIntegerField(_("largest amount (minor units)"), null=True, blank=True)
    merchants = ArrayField(
        models.CharField(max_length=40),
        default=list,
        blank=True,
        verbose_name=_("merchants"),
        help_text=_("Ids, separated by commas. Empty: any."),
    )
    weekdays = ArrayField(
        models.SmallIntegerField(),
        default=list,
        blank=True,
        verbose_name=_("weekdays"),
        help_text=_("Empty: every day."),
    )
    from_hour = models.SmallIntegerField(_("from hour"), default=0)
    to_hour = models.SmallIntegerField(_("to hour"), default=24, help_text=_("Not included. May lie after midnight."))
    kind = models.CharField(_("what it does"), max_length=8, choices=Kind)
    accounts = ArrayField(models.CharField(max_length=40), verbose_name=_("gateway accounts"))
    weights = ArrayField(
        models.SmallIntegerField(),
        default=list,
        blank=True,
        verbose_name=_("shares in percent"),
        help_text=_("For sharing out: one for each account, 100 together."),
    )

    class Meta:
        app_label = "payments"
        verbose_name = _("routing rule")
        verbose_name_plural = _("routing rules")
        ordering: ClassVar = ["position", "id"]
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(from_hour__range=(0, 23), to_hour__range=(1, 24)) & ~Q(from_hour=F("to_hour")),
                name="routing_rule_hours_sane",
            ),
            models.CheckConstraint(
                condition=Q(kind="split", accounts__len__gt=0, weights__len=F("accounts__len"))
                | Q(kind__in=["prefer", "exclude"], accounts__len__gt=0, weights__len=0),
                name="routing_rule_weights_fit",
            ),
        ]
        triggers: ClassVar = [
            pgtrigger.Trigger(
                name="only_drafts",
                when=pgtrigger.Before,
                operation=pgtrigger.Insert | pgtrigger.Update | pgtrigger.Delete,
                func=_ONLY_DRAFTS,
            ),
        ]

    def __str__(self) -> str:
        return self.name
