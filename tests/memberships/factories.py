"""Things on sale, for tests."""

from typing import Any

from memberships.catalogue.known import forget_catalogue
from memberships.models import Feature, Plan, PlanVersion, Price, Tier

NAMES = {"free": ("Free", "免费版", 0), "premium": ("Premium", "高级版", 1), "platinum": ("Platinum", "白金版", 2)}


def make_feature(code: str, **more: Any) -> Feature:
    return Feature.objects.get_or_create(code=code, defaults={"name_en": code, "name_zh": code} | more)[0]


def make_plan(code: str = "premium", *, tier: str = "", features: Any = None, seats: tuple[int, int] = (1, 1)) -> Plan:
    """A plan of the tier of its own name, unless another one is named; its features exist."""
    name_en, name_zh, rank = NAMES[tier or code]
    owner, _made = Tier.objects.get_or_create(
        code=tier or code, defaults={"name_en": name_en, "name_zh": name_zh, "rank": rank}
    )
    plan = Plan.objects.create(code=code, tier=owner, name_en=name_en, name_zh=name_zh)
    for feature in features or {}:
        make_feature(feature)
    PlanVersion.objects.create(
        plan=plan, number=1, features=features or {}, seats_included=seats[0], seats_most=seats[1]
    )
    forget_catalogue()
    return plan


def make_price(plan: Plan, amount_minor: int = 1999, currency: str = "USD", **terms: Any) -> Price:
    price = Price.objects.create(plan=plan, amount_minor=amount_minor, currency=currency, **terms)
    forget_catalogue()
    return price


def make_catalogue() -> Price:
    """Free, Premium and Platinum on sale by the month; the price of Premium, 19.99 USD."""
    make_plan("free", features={"exports": 3})
    premium = make_plan("premium", features={"exports": 100, "support": None})
    platinum = make_plan("platinum", features={"exports": None, "support": None})
    make_price(platinum, 4999)
    return make_price(premium)
