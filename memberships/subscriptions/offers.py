"""What can be bought, and by whom it can be tried."""

from django.db.models import QuerySet

from memberships.models import Period, PlanVersion, Price
from memberships.subscriptions.errors import NoPriceInCurrency, PriceNotForSale, QuantityNotOffered

SEATS_MOST = 10_000


def price_for_sale(price_id: str) -> Price:
    """With its plan. PriceNotForSale also for one that was withdrawn."""
    price = _on_sale().filter(id=price_id).first()
    if price is None:
        raise PriceNotForSale
    return price


def find_price(plan: str, *, currency: str, interval: str = "month", interval_count: int = 1) -> Price:
    """The price on sale of a plan, by the plan's code. PriceNotForSale, NoPriceInCurrency."""
    prices = list(_on_sale().filter(plan__code=plan))
    if not prices:
        raise PriceNotForSale
    wanted = (currency, interval, interval_count)
    for price in prices:
        if (price.currency, price.interval, price.interval_count) == wanted:
            return price
    raise NoPriceInCurrency(currencies=sorted({price.currency for price in prices if price.interval == interval}))


def seats_wanted(quantity: int | None, *, version: PlanVersion) -> int:
    """None: those that the plan contains. QuantityNotOffered."""
    if quantity is None:
        return version.seats_included
    if not version.seats_included <= quantity <= version.seats_most:
        raise QuantityNotOffered(seats_included=version.seats_included, seats_most=version.seats_most)
    return quantity


def may_try(user_id: str, price: Price) -> bool:
    """A trial is given once a user and tier, whatever became of it."""
    if not price.trial_days:
        return False
    tried = Period.objects.filter(
        subscription__user_id=user_id, kind=Period.Kind.TRIAL, plan_version__plan__tier=price.plan.tier_id
    )
    return not tried.exists()


def _on_sale() -> QuerySet[Price]:
    return Price.objects.select_related("plan__tier").filter(is_active=True, plan__is_active=True)
