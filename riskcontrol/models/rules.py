"""Rules that staff write, each change of which is a version."""

from typing import ClassVar

import pgtrigger
from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from paycore.identifiers import PrefixedIdField
from riskcontrol.language import MAX_CHARACTERS, check_expression

MAX_DELAY_SECONDS = 86_400


class Action(models.TextChoices):
    """From harmless to severe."""

    ALLOW = "allow", _("Allow")
    DELAY = "delay", _("Delay")
    CHALLENGE = "challenge", _("Challenge")
    REVIEW = "review", _("Review by a person")
    REJECT = "reject", _("Reject")


class Mode(models.TextChoices):
    OFF = "off", _("Off")
    SHADOW = "shadow", _("Shadow")
    ACTIVE = "active", _("Active")


class OnUnavailable(models.TextChoices):
    FAIL_OPEN = "fail_open", _("As if it did not match")
    FAIL_CLOSED = "fail_closed", _("As if it matched")


class RuleContent(models.Model):
    """What a rule says; a version keeps the same."""

    name = models.CharField(_("name"), max_length=120)
    description = models.CharField(_("description"), max_length=500, blank=True, default="")
    expression = models.TextField(
        _("condition"),
        max_length=MAX_CHARACTERS,
        validators=[check_expression],
        help_text=_("True for payments that the rule is about, e.g. amount_minor > 50000 and user_age_days < 7."),
    )
    action = models.CharField(_("action"), max_length=10, choices=Action)
    delay_seconds = models.IntegerField(
        _("delay (seconds)"), default=0, help_text=_("Only for the action Delay; at most one day.")
    )
    priority = models.IntegerField(
        _("priority"),
        default=100,
        help_text=_("Smaller numbers first. A matching rule that allows ends the look at those after it."),
    )
    mode = models.CharField(
        _("mode"),
        max_length=6,
        choices=Mode,
        default=Mode.SHADOW,
        help_text=_("Shadow: counted, never acts."),
    )
    on_unavailable = models.CharField(
        _("when a fact is unavailable"),
        max_length=11,
        choices=OnUnavailable,
        default=OnUnavailable.FAIL_OPEN,
        help_text=_("What the rule does when the counts cannot be read, or when it raises an error."),
    )
    version = models.IntegerField(_("version"), default=1, editable=False)
    updated_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        null=True,
        editable=False,
        related_name="+",
        verbose_name=_("changed by"),
    )
    updated_at = models.DateTimeField(_("changed"), db_default=Now(), editable=False)

    class Meta:
        abstract = True


_CONTENT = ("name", "description", "expression", "action", "delay_seconds", "priority", "mode", "on_unavailable")
_COLUMNS = ", ".join((*_CONTENT, "version", "updated_by_id", "updated_at"))
_NEW_COLUMNS = ", ".join(f"NEW.{column}" for column in (*_CONTENT, "version", "updated_by_id", "updated_at"))
_DIFFERS = " OR ".join(f"NEW.{column} IS DISTINCT FROM OLD.{column}" for column in _CONTENT)


_KEEP_VERSION = f"""
                    INSERT INTO riskcontrol_ruleversion (rule_id, {_COLUMNS}) VALUES (NEW.id, {_NEW_COLUMNS})
                    ON CONFLICT (rule_id, version) DO NOTHING;
                    RETURN NULL;
                """  # noqa: S608  # column names of ours


class Rule(RuleContent):
    """A condition and what to do where it is true. The database counts the versions, whoever changes a rule."""

    id = PrefixedIdField(prefix="rul")
    created_at = models.DateTimeField(_("created"), db_default=Now(), editable=False)

    class Meta:
        verbose_name = _("rule")
        verbose_name_plural = _("rules")
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["name"], name="rule_name_unique"),
            models.CheckConstraint(condition=Q(action__in=Action.values), name="rule_action_known"),
            models.CheckConstraint(condition=Q(mode__in=Mode.values), name="rule_mode_known"),
            models.CheckConstraint(condition=Q(on_unavailable__in=OnUnavailable.values), name="rule_fallback_known"),
            models.CheckConstraint(
                condition=Q(action="delay", delay_seconds__range=(1, MAX_DELAY_SECONDS))
                | (~Q(action="delay") & Q(delay_seconds=0)),
                name="rule_delay_bounded",
            ),
        ]
        triggers: ClassVar = [
            pgtrigger.Protect(name="no_delete", operation=pgtrigger.Delete),
            pgtrigger.Trigger(
                name="next_version",
                when=pgtrigger.Before,
                operation=pgtrigger.Update,
                func=f"""
                    NEW.version := OLD.version;
                    IF {_DIFFERS} THEN
                        NEW.version := OLD.version + 1;
                        NEW.updated_at := clock_timestamp();
                    END IF;
                    RETURN NEW;
                """,
            ),
            pgtrigger.Trigger(
                name="keep_version",
                when=pgtrigger.After,
                operation=pgtrigger.Insert | pgtrigger.Update,
                func=_KEEP_VERSION,
            ),
        ]

    def __str__(self) -> str:
        return self.name


class RuleVersion(RuleContent):
    """A rule as it once was."""

    id = models.BigAutoField(primary_key=True)
    rule = models.ForeignKey(Rule, on_delete=models.PROTECT, related_name="versions", verbose_name=_("rule"))

    class Meta:
        verbose_name = _("version of a rule")
        verbose_name_plural = _("versions of rules")
        constraints: ClassVar = [models.UniqueConstraint(fields=["rule", "version"], name="rule_version_unique")]
        triggers: ClassVar = [pgtrigger.Protect(name="append_only", operation=pgtrigger.Update | pgtrigger.Delete)]

    def __str__(self) -> str:
        return f"{self.name} · {self.version}"
