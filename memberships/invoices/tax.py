"""Which tax a member's country asks for."""

from datetime import date

from memberships.invoices.drafting import TaxRule
from memberships.models import TaxRate
from paycore.fresh import Fresh


def tax_for(country: str, *, on: date, is_inclusive: bool) -> TaxRule | None:
    """The rule in force ``on`` that day for a price that contains its tax or does not; None where none is asked for.
    At most two seconds old."""
    for rate in _rates.get(country) if country else ():
        if rate.starts_on <= on:
            return TaxRule(country, rate.name, rate.rate_basis_points, is_inclusive) if rate.rate_basis_points else None
    return None


def forget_rates() -> None:
    """One was added or changed in this process."""
    _rates.forget()


def _read_rates(country: str) -> tuple[TaxRate, ...]:
    return tuple(TaxRate.objects.filter(country=country).order_by("-starts_on"))


_rates = Fresh(_read_rates)
