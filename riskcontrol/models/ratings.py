"""How risky users and merchants have proved to be, night after night."""

from typing import ClassVar

import pgtrigger
from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _


class Rating(models.Model):
    """One night's judgement of one user or merchant; a new row only when it differs from the last one."""

    class Grade(models.TextChoices):
        A = "A", _("A: no known risk")
        B = "B", _("B: low")
        C = "C", _("C: raised")
        D = "D", _("D: high")
        E = "E", _("E: very high")

    id = models.BigAutoField(primary_key=True)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        null=True,
        db_index=False,
        related_name="+",
        verbose_name=_("user"),
    )
    merchant = models.ForeignKey(
        "merchants.Merchant",
        on_delete=models.PROTECT,
        null=True,
        db_index=False,
        related_name="+",
        verbose_name=_("merchant"),
    )
    score = models.SmallIntegerField(_("score"), help_text=_("0 is no known risk, 100 the highest."))
    grade = models.CharField(_("grade"), max_length=1, choices=Grade)
    reasons = models.JSONField(_("reasons"), default=dict)
    rated_on = models.DateField(_("rated on"))
    rated_at = models.DateTimeField(_("rated at"), db_default=Now())

    class Meta:
        verbose_name = _("rating")
        verbose_name_plural = _("ratings")
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(user__isnull=False, merchant__isnull=True) | Q(user__isnull=True, merchant__isnull=False),
                name="rating_of_one",
            ),
            models.CheckConstraint(condition=Q(score__range=(0, 100)), name="rating_score_bounded"),
            models.UniqueConstraint(
                fields=["user", "rated_on"], condition=Q(user__isnull=False), name="rating_user_once_a_day"
            ),
            models.UniqueConstraint(
                fields=["merchant", "rated_on"], condition=Q(merchant__isnull=False), name="rating_merchant_once_a_day"
            ),
        ]
        triggers: ClassVar = [pgtrigger.Protect(name="append_only", operation=pgtrigger.Update | pgtrigger.Delete)]

    def __str__(self) -> str:
        return f"{self.grade} {self.user_id or self.merchant_id}"
