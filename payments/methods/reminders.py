"""A card is about to expire: its owner hears of it 30 and 7 days before, once each."""

import calendar
from collections.abc import Iterator
from datetime import date, timedelta

from django.db import transaction
from django.db.models import Q

from paycore.notifications.addresses import Recipient
from paycore.notifications.services import notify
from payments.methods.models import PaymentMethod

DAYS_BEFORE = (30, 7)
BATCH = 200


def remind_of_expiry(*, today: date) -> int:
    """For every card whose last month is near; how many were reminded. Days that nobody looked on are made up for."""
    reminded = 0
    for method_id in list(_expiring(today)):
        with transaction.atomic():
            method = PaymentMethod.objects.select_for_update(no_key=True).get(id=method_id)
            due = _due(method, today=today)
            if due is None:
                continue
            method.expiry_reminded_for = due
            method.save(update_fields=["expiry_reminded_for"])
            _tell(method, occasion=due)
            reminded += 1
    return reminded


def last_day_of(method: PaymentMethod) -> date | None:
    """Until when the card can be charged: the end of its month."""
    if method.expiry_year is None or method.expiry_month is None:
        return None
    return date(
        method.expiry_year, method.expiry_month, calendar.monthrange(method.expiry_year, method.expiry_month)[1]
    )


def _expiring(today: date) -> Iterator[str]:
    months = {(day.year, day.month) for day in (today, today + timedelta(days=max(DAYS_BEFORE)))}
    near = Q()
    for year, month in months:
        near |= Q(expiry_year=year, expiry_month=month)
    rows = PaymentMethod.objects.filter(near, status=PaymentMethod.Status.ACTIVE)
    return rows.values_list("id", flat=True).iterator(chunk_size=BATCH)


def _due(method: PaymentMethod, *, today: date) -> date | None:
    """The day that the reminder was due which is due now; None when it was sent, or none is."""
    end = last_day_of(method)
    if end is None or today > end or method.status != PaymentMethod.Status.ACTIVE:
        return None
    past = [day for day in (end - timedelta(days=days) for days in DAYS_BEFORE) if day <= today]
    if not past or (method.expiry_reminded_for is not None and method.expiry_reminded_for >= past[-1]):
        return None
    return past[-1]


def _tell(method: PaymentMethod, *, occasion: date) -> None:
    end = last_day_of(method)
    notify(
        template="card_expiring",
        to=Recipient(user_id=method.user_id),
        context={
            "brand": method.brand.replace("_", " ").title(),
            "last4": method.last4,
            "expiry": end.strftime("%m/%Y") if end else "",
        },
        key=f"card_expiring:{method.id}:{occasion.isoformat()}",
    )
