"""What a promotion takes off. Pure."""

from paycore.money import Money
from payments.promotions.models import Promotion


def discount_of(promotion: Promotion, amount: Money) -> Money:
    """Of ``amount``: half a unit rounds away from zero; never more than the amount, nor than the promotion's most."""
    zero = Money.zero(amount.currency)
    if promotion.kind == Promotion.Kind.PERCENT:
        off, _rest = amount.split_basis_points(promotion.percent_basis_points)
    else:  # nothing in a currency for which no amount was named
        off = Money(int(promotion.amounts.get(amount.currency, 0)), amount.currency)
    most = promotion.most_off.get(amount.currency)
    bounds = [amount, off] if most is None else [amount, off, Money(int(most), amount.currency)]
    return max(zero, min(bounds))


def charges_lowered(promotion: Promotion) -> int | None:
    """How many charges it lowers; None for every one, 0 for free days."""
    if promotion.kind == Promotion.Kind.FREE_DAYS:
        return 0
    if promotion.duration == Promotion.Duration.FOREVER:
        return None
    return promotion.periods


def reserved_of_budget(promotion: Promotion, first: Money, *, later: Money | None = None) -> int:
    """Minor units of the budget that one use may come to: ``first`` off the first charge, ``later`` off each other one
    (None: they are taken to be like the first)."""
    charges = charges_lowered(promotion) or 0
    if promotion.budget_minor is None or first.currency != promotion.budget_currency or not charges:
        return 0
    return first.minor + (charges - 1) * (later or first).minor
