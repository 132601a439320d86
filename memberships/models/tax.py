"""What tax applies to a member of a country, from which day on."""

from typing import ClassVar

import pghistory
import pgtrigger
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from paycore.identifiers import PrefixedIdField


@pghistory.track()
class TaxRate(models.Model):
    """In force from ``starts_on`` until the country's next one. A rate of nothing ends a tax."""

    id = PrefixedIdField(prefix="txr")
    country = models.CharField(_("country"), max_length=2, help_text=_("Two letters (ISO 3166), e.g. DE."))
    name = models.CharField(_("name on invoices"), max_length=40, help_text=_("e.g. VAT"))
    rate_basis_points = models.PositiveIntegerField(_("rate (basis points)"), help_text=_("1900 is 19 %."))
    starts_on = models.DateField(_("in force from"))
    created_at = models.DateTimeField(_("created"), db_default=Now())

    class Meta:
        verbose_name = _("tax rate")
        verbose_name_plural = _("tax rates")
        ordering = ("country", "-starts_on")
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["country", "starts_on"], name="tax_rate_one_a_day"),
            models.CheckConstraint(condition=Q(rate_basis_points__lte=10_000), name="tax_rate_bounded"),
            models.CheckConstraint(condition=Q(country__regex=r"^[A-Z]{2}$"), name="tax_rate_country_shape"),
        ]
        triggers: ClassVar = [pgtrigger.Protect(name="no_delete", operation=pgtrigger.Delete)]

    def __str__(self) -> str:
        return f"{self.country} {self.rate_basis_points / 100:g} % ({self.starts_on})"
