"""What a period costs, line by line. Pure: the plan and its prices are known to this process."""

from datetime import datetime
from functools import lru_cache

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
    name = plan.name(language)
    span = _interval_words(price.interval, price.interval_count, language)
    lines = [
        ChargeLine(
            "plan", f"{name} · {span}", price.amount,
            starts_at=starts_at, ends_at=ends_at, plan=plan.id, price=price.id,
        )
    ]  # fmt: skip
    if extra and price.seat_amount_minor:
        seats = Money(price.seat_amount_minor, price.currency) * extra
        lines.append(
            ChargeLine(
                "seats", f"{name} · {_seat_words(extra, language)}", seats,
                quantity=extra, starts_at=starts_at, ends_at=ends_at, plan=plan.id, price=price.id,
            )
        )  # fmt: skip
    if with_setup and price.setup_fee_minor:
        fee = Money(price.setup_fee_minor, price.currency)
        with translation.override(language):
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
    return _interval_words(price.interval, price.interval_count, translation.get_language())


@lru_cache(maxsize=1024)
def _interval_words(interval: str, count: int, language: str | None) -> str:
    """Remembered: every line of every renewal says one of a few."""
    with translation.override(language):
        words = {
            "day": ngettext("%(count)d day", "%(count)d days", count),
            "week": ngettext("%(count)d week", "%(count)d weeks", count),
            "month": ngettext("%(count)d month", "%(count)d months", count),
            "quarter": ngettext("%(count)d quarter", "%(count)d quarters", count),
            "year": ngettext("%(count)d year", "%(count)d years", count),
        }
    return words[interval] % {"count": count}


def _seat_words(extra: int, language: str) -> str:
    with translation.override(language):
        return ngettext("%(count)d more seat", "%(count)d more seats", extra) % {"count": extra}
