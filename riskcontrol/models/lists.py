"""Lists of people, addresses, devices and cards that are known to be bad, good, or just of interest."""

from typing import ClassVar

import pghistory
import pgtrigger
from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from paycore.identifiers import PrefixedIdField


@pghistory.track()
class RiskList(models.Model):
    """Blocked entries are refused, allowed ones escape the rules; a watch list acts only through rules."""

    class Effect(models.TextChoices):
        BLOCK = "block", _("Block")
        ALLOW = "allow", _("Allow")
        WATCH = "watch", _("Watch")

    id = PrefixedIdField(prefix="lst")
    name = models.CharField(
        _("name"),
        max_length=40,
        unique=True,
        help_text=_('Lower-case letters, digits and underscores. Rules ask for it: "stolen_cards" in lists.'),
    )
    effect = models.CharField(_("effect"), max_length=5, choices=Effect)
    description = models.CharField(_("description"), max_length=300, blank=True, default="")
    is_active = models.BooleanField(_("active"), default=True)
    created_at = models.DateTimeField(_("created"), db_default=Now(), editable=False)

    class Meta:
        verbose_name = _("list")
        verbose_name_plural = _("lists")
        constraints: ClassVar = [
            models.CheckConstraint(condition=Q(name__regex="^[a-z][a-z0-9_]{0,39}$"), name="risk_list_name_shape"),
            models.CheckConstraint(condition=Q(effect__in=["block", "allow", "watch"]), name="risk_list_effect_known"),
        ]
        triggers: ClassVar = [pgtrigger.Protect(name="no_delete", operation=pgtrigger.Delete)]

    def __str__(self) -> str:
        return self.name


class ListEntry(models.Model):
    """One value on a list, as ``riskcontrol.lists.canonical_value`` writes it. Removing keeps the row, and who did."""

    class Kind(models.TextChoices):
        USER = "user", _("User id")
        IP = "ip", _("IP address or network")
        DEVICE = "device", _("Device id")
        PAYMENT_METHOD = "payment_method", _("Saved payment method")
        MERCHANT = "merchant", _("Merchant id")
        EMAIL = "email", _("E-mail address (hashed)")

    id = PrefixedIdField(prefix="len")
    risk_list = models.ForeignKey(RiskList, on_delete=models.PROTECT, related_name="entries", verbose_name=_("list"))
    kind = models.CharField(_("kind"), max_length=14, choices=Kind)
    value = models.CharField(_("value"), max_length=128, db_collation="C")
    reason = models.CharField(_("reason"), max_length=300)
    expires_at = models.DateTimeField(_("expires"), null=True, blank=True, help_text=_("Empty: never."))
    added_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        null=True,
        editable=False,
        related_name="+",
        verbose_name=_("added by"),
    )
    added_at = models.DateTimeField(_("added"), db_default=Now(), editable=False)
    removed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        null=True,
        editable=False,
        related_name="+",
        verbose_name=_("removed by"),
    )
    removed_at = models.DateTimeField(_("removed"), null=True, editable=False)

    class Meta:
        verbose_name = _("list entry")
        verbose_name_plural = _("list entries")
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["risk_list", "kind", "value"],
                condition=Q(removed_at__isnull=True),
                name="list_entry_once",
            ),
            models.CheckConstraint(
                condition=Q(kind__in=["user", "ip", "device", "payment_method", "merchant", "email"]),
                name="list_entry_kind_known",
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["value", "kind"], condition=Q(removed_at__isnull=True), name="list_entry_by_value"),
        ]
        triggers: ClassVar = [pgtrigger.Protect(name="no_delete", operation=pgtrigger.Delete)]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.value}"
