"""What a provider is expected to keep: by method, payer's country, volume and date. Reads nothing."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime

from paycore.money import ONE_IN_BASIS_POINTS, Money


def fee_minor(minor: int, *, basis_points: int, fixed_minor: int) -> int:
    """The share of a positive amount, half up as :meth:`Money.split_basis_points`, and the fixed part; never more than
    the amount."""
    return min(minor, (minor * basis_points * 2 + ONE_IN_BASIS_POINTS) // (2 * ONE_IN_BASIS_POINTS) + fixed_minor)


@dataclass(frozen=True, slots=True)
class FeeRate:
    """Empty ``method``, ``countries`` and ``currency`` mean any. ``from_volume_minor`` is the least that the account
    took this month for the rate to hold."""

    basis_points: int
    fixed_minor: int
    method: str = ""
    countries: frozenset[str] = frozenset()
    currency: str = ""
    from_volume_minor: int = 0
    effective_from: datetime | None = None

    @property
    def precision(self) -> tuple[bool, bool, bool, int, float]:
        """The more a rate asks for the sooner it is taken; of equals, the later one."""
        since = self.effective_from.timestamp() if self.effective_from else 0.0
        return (bool(self.method), bool(self.countries), bool(self.currency), self.from_volume_minor, since)

    def of(self, amount: Money) -> Money:
        kept = fee_minor(amount.minor, basis_points=self.basis_points, fixed_minor=self.fixed_minor)
        return Money(kept, amount.currency)


class FeeSchedule:
    """``volume(currency)`` is asked only where a rate depends on it: minor units taken in the running month."""

    def __init__(self, rates: Iterable[FeeRate], *, volume: Callable[[str], int]) -> None:
        self._rates = sorted(rates, key=lambda rate: rate.precision, reverse=True)
        self._volume = volume

    def rate(self, *, method: str, country: str, currency: str, now: datetime) -> FeeRate | None:
        """The most precise one that holds; None: the account's own two numbers do."""
        for rate in self._rates:
            if self._holds(rate, method=method, country=country, currency=currency, now=now):
                return rate
        return None

    def _holds(self, rate: FeeRate, *, method: str, country: str, currency: str, now: datetime) -> bool:
        return (
            rate.method in ("", method)
            and (not rate.countries or country in rate.countries)
            and rate.currency in ("", currency)
            and (rate.effective_from is None or rate.effective_from <= now)
            and (not rate.from_volume_minor or self._volume(currency) >= rate.from_volume_minor)
        )
