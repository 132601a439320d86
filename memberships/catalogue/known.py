"""The catalogue as this process knows it, at most two seconds old: it is read at every renewal and check, and changes
once a month. What was bought is pinned by ids and never changes."""

from dataclasses import dataclass
from typing import TypeVar

from django.db.models import Prefetch

from memberships.models import Feature, Plan, PlanVersion, Price, Tier
from paycore.errors import NotFound
from paycore.fresh import Fresh

RowT = TypeVar("RowT")


@dataclass(frozen=True, slots=True)
class OnSale:
    """A plan that can be had now, what it gives, and its prices on sale."""

    plan: Plan
    version: PlanVersion
    prices: tuple[Price, ...]


def plan_of(plan_id: str) -> Plan:
    """With its tier. NotFound."""
    return _plans.get(plan_id)


def price_of(price_id: str) -> Price:
    """With its plan and tier. NotFound."""
    return _prices.get(price_id)


def version_of(version_id: str) -> PlanVersion:
    """NotFound."""
    return _versions.get(version_id)


def newest_version(plan_id: str) -> PlanVersion:
    """What the plan gives now. NotFound for a plan that was never published."""
    return _newest.get(plan_id)


def free_tier() -> Tier | None:
    """Everybody's."""
    return _free.get("")


def features() -> dict[str, Feature]:
    """Every feature in use, by code."""
    return _features.get("")


def plans_on_sale() -> tuple[OnSale, ...]:
    """By tier, lowest first; prices by currency and length. A plan without a published version is not among them."""
    return _on_sale.get("")


def forget_catalogue() -> None:
    """Something of it was changed in this process."""
    for known in (_plans, _prices, _versions, _newest, _free, _features, _on_sale):
        known.forget()


def _read_plan(plan_id: str) -> Plan:
    return _found(Plan.objects.select_related("tier").filter(id=plan_id).first())


def _read_price(price_id: str) -> Price:
    return _found(Price.objects.select_related("plan__tier").filter(id=price_id).first())


def _read_version(version_id: str) -> PlanVersion:
    return _found(PlanVersion.objects.filter(id=version_id).first())


def _read_newest(plan_id: str) -> PlanVersion:
    return _found(PlanVersion.objects.filter(plan_id=plan_id).order_by("-number").first())


def _read_free(_key: str) -> Tier | None:
    return Tier.objects.filter(rank=0).first()


def _read_features(_key: str) -> dict[str, Feature]:
    return {feature.code: feature for feature in Feature.objects.filter(is_active=True)}


def _read_on_sale(_key: str) -> tuple[OnSale, ...]:
    versions = Prefetch("versions", queryset=PlanVersion.objects.order_by("plan_id", "-number").distinct("plan_id"))
    prices = Prefetch("prices", queryset=Price.objects.filter(is_active=True).order_by("id"))
    plans = Plan.objects.filter(is_active=True).select_related("tier").prefetch_related(versions, prices)
    return tuple(
        OnSale(plan, newest, tuple(sorted(plan.prices.all(), key=_by_currency_and_length)))
        for plan in plans.order_by("tier__rank", "code")
        for newest in plan.versions.all()
    )


def _by_currency_and_length(price: Price) -> tuple[str, int, int]:
    return price.currency, Price.Interval.values.index(price.interval), price.interval_count


def _found(row: RowT | None) -> RowT:
    if row is None:
        raise NotFound
    return row


_plans = Fresh(_read_plan)
_prices = Fresh(_read_price)
_versions = Fresh(_read_version)
_newest = Fresh(_read_newest)
_free = Fresh(_read_free)
_features = Fresh(_read_features)
_on_sale = Fresh(_read_on_sale)
