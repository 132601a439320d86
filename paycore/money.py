"""Money: an integer of the smallest unit and a currency. Never a float, never a bare number across a boundary.

Exponents are ISO 4217's (Babel follows CLDR's *printing* habits, where IQD has no decimals, and is only used to print).
"""

from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import Self

from babel import Locale
from babel.numbers import NumberPattern
from django.utils.translation import gettext_lazy as _
from django.utils.translation import to_locale

from paycore.errors import PaycoreError

_NO_DECIMALS = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX VND VUV XAF XOF XPF"
_TWO_DECIMALS = (
    "AED ARS AUD BDT BRL CAD CHF CNY COP CZK DKK EGP EUR GBP GHS HKD HUF IDR ILS INR KES KZT LKR MAD MOP MXN MYR NGN "
    "NOK NZD PEN PHP PKR PLN QAR RON SAR SEK SGD THB TRY TWD TZS UAH USD ZAR"
)
_THREE_DECIMALS = "BHD IQD JOD KWD LYD OMR TND"

CURRENCIES: dict[str, int] = {
    **dict.fromkeys(_NO_DECIMALS.split(), 0),
    **dict.fromkeys(_TWO_DECIMALS.split(), 2),
    **dict.fromkeys(_THREE_DECIMALS.split(), 3),
}
"""The enabled currencies and how many decimals each has."""

MAX_MINOR = 2**63 - 1
ONE_IN_BASIS_POINTS = 10_000


class CurrencyMismatch(PaycoreError):
    code, http_status = "currency_mismatch", 400
    title = _("The amounts are in different currencies.")


class UnknownCurrency(PaycoreError):
    code, http_status = "unknown_currency", 400
    title = _("This currency is not enabled.")


class InvalidAmount(PaycoreError):
    code, http_status = "invalid_amount", 400
    title = _("This is not a valid amount.")


@dataclass(frozen=True, slots=True)
class Money:
    """``Money(1234, "USD")`` is 12.34 US dollars. ``minor`` fits a signed 64-bit integer; amounts may be negative."""

    minor: int
    currency: str

    def __post_init__(self) -> None:
        if self.currency not in CURRENCIES:
            raise UnknownCurrency(currency=str(self.currency)[:3])
        if type(self.minor) is not int or not -MAX_MINOR <= self.minor <= MAX_MINOR:
            raise InvalidAmount(_("An amount is a whole number of the smallest unit and fits 64 bits."))

    @classmethod
    def zero(cls, currency: str) -> Self:
        return cls(0, currency)

    @classmethod
    def from_major(cls, text: str | Decimal, currency: str) -> Self:
        """``from_major("12.34", "USD")``; refuses more decimals than the currency has, and floats."""
        if currency not in CURRENCIES:
            raise UnknownCurrency(currency=str(currency)[:3])
        if isinstance(text, str):
            return cls(_parse_major(text, currency), currency)
        if isinstance(text, Decimal) and text.is_finite():
            return cls(_parse_major(f"{text:f}", currency), currency)
        raise InvalidAmount

    @property
    def major(self) -> Decimal:
        return Decimal(self.minor).scaleb(-CURRENCIES[self.currency])

    @property
    def is_zero(self) -> bool:
        return self.minor == 0

    @property
    def is_positive(self) -> bool:
        return self.minor > 0

    @property
    def is_negative(self) -> bool:
        return self.minor < 0

    def split_basis_points(self, basis_points: int) -> tuple[Self, Self]:
        """``(part, rest)`` where part is ``basis_points``/10,000 of the whole; the two sum to the whole.

        Half a unit rounds away from zero, as gateways round their fees, and the split of a reversed amount is the
        reverse of the split.
        """
        if type(basis_points) is not int or not 0 <= basis_points <= ONE_IN_BASIS_POINTS:
            raise InvalidAmount(_("Basis points are a whole number from 0 to 10000."))
        size = (abs(self.minor) * basis_points * 2 + ONE_IN_BASIS_POINTS) // (2 * ONE_IN_BASIS_POINTS)
        part = size if self.minor >= 0 else -size
        return type(self)(part, self.currency), type(self)(self.minor - part, self.currency)

    def allocate(self, weights: Sequence[int]) -> list[Self]:
        """Shares in proportion to ``weights`` that sum to the whole; left-over units go to the largest remainders,
        the earlier first."""
        total = sum(weights)
        if any(type(weight) is not int or weight < 0 for weight in weights) or total <= 0:
            raise InvalidAmount(_("Weights are whole numbers that are not negative, and at least one is not zero."))
        sign = -1 if self.minor < 0 else 1
        shares, remainders = [], []
        for index, weight in enumerate(weights):
            share, remainder = divmod(abs(self.minor) * weight, total)
            shares.append(share)
            remainders.append((-remainder, index))
        for _remainder, index in sorted(remainders)[: abs(self.minor) - sum(shares)]:
            shares[index] += 1
        return [type(self)(sign * share, self.currency) for share in shares]

    def format(self, locale: str) -> str:
        """For people: ``Money(1234, "USD").format("en")`` → ``$12.34``; takes Django's or CLDR's locale names."""
        pattern, parsed = _pattern(locale, CURRENCIES[self.currency])
        return str(pattern.apply(self.major, parsed, currency=self.currency, currency_digits=False))

    def __str__(self) -> str:
        return f"{self.major:f} {self.currency}"

    def __add__(self, other: object) -> Self:
        if not isinstance(other, Money):
            return NotImplemented
        return type(self)(self.minor + self._same_currency(other), self.currency)

    def __sub__(self, other: object) -> Self:
        if not isinstance(other, Money):
            return NotImplemented
        return type(self)(self.minor - self._same_currency(other), self.currency)

    def __mul__(self, times: object) -> Self:
        if type(times) is not int:
            return NotImplemented
        return type(self)(self.minor * times, self.currency)

    __rmul__ = __mul__

    def __neg__(self) -> Self:
        return type(self)(-self.minor, self.currency)

    def __abs__(self) -> Self:
        return type(self)(abs(self.minor), self.currency)

    def __lt__(self, other: object) -> bool:
        return self.minor < self._same_currency(other) if isinstance(other, Money) else NotImplemented

    def __le__(self, other: object) -> bool:
        return self.minor <= self._same_currency(other) if isinstance(other, Money) else NotImplemented

    def __gt__(self, other: object) -> bool:
        return self.minor > self._same_currency(other) if isinstance(other, Money) else NotImplemented

    def __ge__(self, other: object) -> bool:
        return self.minor >= self._same_currency(other) if isinstance(other, Money) else NotImplemented

    def _same_currency(self, other: "Money") -> int:
        if other.currency != self.currency:
            raise CurrencyMismatch(left=self.currency, right=other.currency)
        return other.minor


def _parse_major(text: str, currency: str) -> int:
    whole, point, fraction = text.removeprefix("-").partition(".")
    exponent = CURRENCIES[currency]
    is_plain = whole.isascii() and whole.isdigit() and len(whole) <= 19
    is_plain &= not point or (fraction.isascii() and fraction.isdigit())
    if not is_plain or len(fraction.rstrip("0")) > exponent:
        raise InvalidAmount(_("Write the amount like 12.34, with no more decimals than the currency has."))
    try:
        minor = int(Decimal(f"{whole}.{fraction or 0}").scaleb(exponent))
    except InvalidOperation as error:
        raise InvalidAmount from error
    return -minor if text.startswith("-") else minor


@lru_cache(maxsize=256)
def _pattern(locale: str, decimals: int) -> tuple[NumberPattern, Locale]:
    parsed = Locale.parse(to_locale(locale.replace("_", "-")))
    pattern = copy(parsed.currency_formats["standard"])
    pattern.frac_prec = (decimals, decimals)
    return pattern, parsed
