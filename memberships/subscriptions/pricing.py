"""What a period costs, line by line. Pure: the plan and its prices are known to this process."""

from datetime import datetime

from django.utils import translation
from django.utils.translation import gettext, ngettext

from memberships.catalogue.known import plan_of
from memberships.invoices.drafting import ChargeLine
from memberships.models import PlanVersion, Price
from memberships.subscriptions.calendar import period_end
from paycore.money import Money


def lines_for_period(
    *,
    plan_version: PlanVersion,
    price: Price,
    quantity: int,
    starts_at: datetime,
    ends_at: datetime,
    language: str,
    with_setup: bool,
) -> list[ChargeLine]:
    """The plan, the seats beyond those it contains, and the set-up fee when it is due; described in ``language``."""
    plan = plan_of(plan_version.plan_id)
    extra = extra_seats(plan_version, quantity)
    with translation.override(language):
        name = plan.name(language)
        span = interval_words(price)
        lines = [
            ChargeLine(
                "plan", f"{name} · {span}", price.amount,
                starts_at=starts_at, ends_at=ends_at, plan=plan.id, price=price.id,
            )
        ]  # fmt: skip
        if extra and price.seat_amount_minor:
            words = ngettext("%(count)d more seat", "%(count)d more seats", extra) % {"count": extra}
            lines.append(
                ChargeLine(
                    "seats", f"{name} · {words}", Money(price.seat_amount_minor, price.currency) * extra,
                    quantity=extra, starts_at=starts_at, ends_at=ends_at, plan=plan.id, price=price.id,
                )
            )  # fmt: skip
        if with_setup and price.setup_fee_minor:
            fee = Money(price.setup_fee_minor, price.currency)
            words = gettext("set-up fee")
            lines.append(ChargeLine("setup", f"{name} · {words}", fee, plan=plan.id, price=price.id))
    return lines


def end_of_period(price: Price, *, starts_at: datetime, anchor_at: datetime, zone: str) -> datetime:
    """Where a period of ``price`` that starts then ends."""
    return period_end(
        starts_at, anchor_at=anchor_at, zone=zone, interval=price.interval, interval_count=price.interval_count
    )


def extra_seats(plan_version: PlanVersion, quantity: int) -> int:
    return max(0, quantity - plan_version.seats_included)


def interval_words(price: Price) -> str:
    """``1 month``, ``3 years``, in the running language."""
    count = price.interval_count
    words = {
        "day": ngettext("%(count)d day", "%(count)d days", count),
        "week": ngettext("%(count)d week", "%(count)d weeks", count),
        "month": ngettext("%(count)d month", "%(count)d months", count),
        "quarter": ngettext("%(count)d quarter", "%(count)d quarters", count),
        "year": ngettext("%(count)d year", "%(count)d years", count),
    }
    return words[price.interval] % {"count": count}
