"""What an invoice will say, to the cent. Pure: previews, single invoices and batches draft with the same function.

A line's ``amount_minor`` is as it was priced: with the tax in it where the rule is inclusive, without it otherwise.
``net_minor`` is what of it, after discounts, becomes revenue; ``net_minor + tax_minor`` over all lines is the total,
or, where that is negative, what the member is owed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from paycore.money import ONE_IN_BASIS_POINTS, CurrencyMismatch, InvalidAmount, Money

CREDIT = "credit"
DISCOUNT = "discount"


@dataclass(frozen=True, slots=True)
class ChargeLine:
    """``kind`` is plan, seats, setup, credit or gift; ``amount`` is of the whole quantity, negative for a credit, whose
    ``starts_at`` is the second from which the paid time is given back. ``plan`` and ``price`` are ids."""

    kind: str
    description: str
    amount: Money
    quantity: int = 1
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    plan: str = ""
    price: str = ""


@dataclass(frozen=True, slots=True)
class Discount:
    """``amount`` is positive; what exceeds the charges is lost. ``redemption`` is the promotion's."""

    amount: Money
    description: str
    redemption: str


@dataclass(frozen=True, slots=True)
class TaxRule:
    country: str
    name: str
    rate_basis_points: int
    is_inclusive: bool


@dataclass(frozen=True, slots=True)
class Draft:
    """``lines`` and ``taxes`` are rows as :class:`memberships.models.Invoice` keeps them, amounts are minor units.

    ``total = subtotal - discount + tax`` and ``due = total - credit``. ``new_credit_minor`` is what the member is owed
    when credits exceed charges: the total is then nothing, and ``credit`` is left alone.
    """

    currency: str
    lines: tuple[dict[str, Any], ...]
    taxes: tuple[dict[str, Any], ...]
    subtotal_minor: int
    discount_minor: int
    tax_minor: int
    total_minor: int
    credit_minor: int
    due_minor: int
    new_credit_minor: int

    @property
    def total(self) -> Money:
        return Money(self.total_minor, self.currency)

    @property
    def due(self) -> Money:
        return Money(self.due_minor, self.currency)


def draft_invoice(
    lines: Sequence[ChargeLine], *, tax: TaxRule | None, discounts: Sequence[Discount] = (), credit: Money
) -> Draft:
    """``credit`` is what the member has; at most the total of it is used.

    ``ValueError`` without lines; CurrencyMismatch when an amount is of another currency than ``credit``; InvalidAmount
    for a negative discount or credit, or a positive line that calls itself a credit.
    """
    currency = credit.currency
    _check(lines, discounts, credit)
    amounts = [line.amount.minor for line in lines]
    spread, taken = _spread_discounts(amounts, discounts, currency)
    taxed = _tax_lines([amount - off for amount, off in zip(amounts, spread, strict=True)], tax)
    rows = [
        _line_row(line, discount_minor=off, tax_minor=tax_minor, is_inclusive=tax is not None and tax.is_inclusive)
        for line, off, tax_minor in zip(lines, spread, taxed, strict=True)
    ]
    discount_rows = [_discount_row(discount, off) for discount, off in zip(discounts, taken, strict=True) if off]
    return _sum_up(rows, discount_rows, tax=tax, tax_minor=sum(taxed), discount_minor=sum(taken), credit=credit)


def net_of(lines: Sequence[Mapping[str, Any]]) -> int:
    """What of an invoice's rows is revenue, now or later; negative when credits exceed charges."""
    return sum(line["net_minor"] for line in lines)


def tax_of(lines: Sequence[Mapping[str, Any]]) -> int:
    return sum(line["tax_minor"] for line in lines)


def _check(lines: Sequence[ChargeLine], discounts: Sequence[Discount], credit: Money) -> None:
    if not lines:
        raise ValueError("an invoice has lines")
    amounts = [*(line.amount for line in lines), *(discount.amount for discount in discounts)]
    if any(amount.currency != credit.currency for amount in amounts):
        raise CurrencyMismatch(left=credit.currency)
    is_wrong = credit.minor < 0 or any(discount.amount.minor < 0 for discount in discounts)
    if is_wrong or any((line.amount.minor > 0) == (line.kind == CREDIT) for line in lines if line.amount.minor):
        raise InvalidAmount


def _spread_discounts(amounts: list[int], discounts: Sequence[Discount], currency: str) -> tuple[list[int], list[int]]:
    """What each line and each discount comes to; a later discount sees what the earlier left."""
    spread = [0] * len(amounts)
    taken: list[int] = []
    for discount in discounts:
        left = [max(0, amount) - off for amount, off in zip(amounts, spread, strict=True)]
        off = min(discount.amount.minor, sum(left))
        taken.append(off)
        if off:
            shares = Money(off, currency).allocate(left)
            spread = [so_far + share.minor for so_far, share in zip(spread, shares, strict=True)]
    return spread, taken


def _tax_lines(bases: list[int], tax: TaxRule | None) -> list[int]:
    """The tax of each line. The tax of the sum is rounded once, and what each line adds to it is the line's: they sum
    to it exactly, and a line's tax has the sign of the line."""
    if tax is None:
        return [0] * len(bases)
    rate = tax.rate_basis_points
    if not 0 <= rate <= ONE_IN_BASIS_POINTS:
        raise InvalidAmount
    whole = ONE_IN_BASIS_POINTS + rate if tax.is_inclusive else ONE_IN_BASIS_POINTS
    taxes, base_so_far, tax_so_far = [], 0, 0
    for base in bases:
        base_so_far += base
        until_here = round_half_away(base_so_far * rate, whole)
        taxes.append(until_here - tax_so_far)
        tax_so_far = until_here
    return taxes


def round_half_away(numerator: int, denominator: int) -> int:
    """Half a unit rounds away from zero, as :meth:`Money.split_basis_points` does."""
    size = (2 * abs(numerator) + denominator) // (2 * denominator)
    return size if numerator >= 0 else -size


def _line_row(line: ChargeLine, *, discount_minor: int, tax_minor: int, is_inclusive: bool) -> dict[str, Any]:
    discounted = line.amount.minor - discount_minor
    return {
        "kind": line.kind,
        "description": line.description,
        "quantity": line.quantity,
        "amount_minor": line.amount.minor,
        "discount_minor": discount_minor,
        "tax_minor": tax_minor,
        "net_minor": discounted - tax_minor if is_inclusive else discounted,
        "starts_at": line.starts_at.isoformat() if line.starts_at else None,
        "ends_at": line.ends_at.isoformat() if line.ends_at else None,
        "plan": line.plan,
        "price": line.price,
    }


def _discount_row(discount: Discount, minor: int) -> dict[str, Any]:
    """Said once, for people; its effect is in the charges' own rows."""
    return {
        "kind": DISCOUNT,
        "description": discount.description,
        "quantity": 1,
        "amount_minor": -minor,
        "discount_minor": 0,
        "tax_minor": 0,
        "net_minor": 0,
        "starts_at": None,
        "ends_at": None,
        "plan": "",
        "price": "",
        "redemption": discount.redemption,
    }


def _sum_up(
    rows: list[dict[str, Any]],
    discount_rows: list[dict[str, Any]],
    *,
    tax: TaxRule | None,
    tax_minor: int,
    discount_minor: int,
    credit: Money,
) -> Draft:
    net = net_of(rows)
    owed = -(net + tax_minor)
    is_owed = owed > 0
    total = 0 if is_owed else -owed
    tax_minor = 0 if is_owed else tax_minor
    used = min(credit.minor, total)
    taxes = [] if tax is None or is_owed else [_tax_row(tax, base_minor=net, tax_minor=tax_minor)]
    return Draft(
        currency=credit.currency,
        lines=(*rows, *discount_rows),
        taxes=tuple(taxes),
        subtotal_minor=total - tax_minor + discount_minor,
        discount_minor=discount_minor,
        tax_minor=tax_minor,
        total_minor=total,
        credit_minor=used,
        due_minor=total - used,
        new_credit_minor=owed if is_owed else 0,
    )


def _tax_row(tax: TaxRule, *, base_minor: int, tax_minor: int) -> dict[str, Any]:
    return {
        "country": tax.country,
        "name": tax.name,
        "rate_basis_points": tax.rate_basis_points,
        "is_inclusive": tax.is_inclusive,
        "base_minor": base_minor,
        "tax_minor": tax_minor,
    }
