"""What payers use: this one last, and those of a country most, so that it is offered first."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from datetime import timedelta

from django.db import connection

from paycore.clock import now
from paycore.fresh import Fresh
from paycore.identifiers import earliest_id
from payments.orders.models import Payment

WINDOW = timedelta(days=30)
SAMPLE = 5_000
"""So many of the latest payments are looked at: the cost is the same with a thousand a day and with a million."""
KEEP_SECONDS = 600.0

# Bounded first, grouped then: the primary key's right edge is read and nothing else.
_COUNT = """
    SELECT payer_country, method, count(*) FROM (
        SELECT payer_country, method, status FROM payments_payment WHERE id >= %s ORDER BY id DESC LIMIT %s
    ) AS latest WHERE status = 'succeeded' GROUP BY 1, 2
"""


def in_order_of_habit(methods: Sequence[str], *, country: str, user_id: str = "") -> list[str]:
    """What ``user_id`` paid with last comes first, then by how often payers of ``country`` use it; otherwise as it
    was."""
    counts = _popularity.get("all").get(country, Counter()) if country else Counter[str]()
    last = _last_used(user_id) if user_id else ""
    return sorted(methods, key=lambda method: (method != last, -counts[method]))


def _last_used(user_id: str) -> str:
    paid = Payment.objects.filter(order__user_id=user_id, status=Payment.Status.SUCCEEDED)
    return paid.order_by("-id").values_list("method", flat=True).first() or ""


def _count(_key: str) -> dict[str, Counter[str]]:
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    with connection.cursor() as cursor:
        cursor.execute(_COUNT, [earliest_id("pay", now() - WINDOW), SAMPLE])
        for country, method, count in cursor.fetchall():
            counts[country][method] = count
    return dict(counts)


_popularity = Fresh(_count, seconds=KEEP_SECONDS)
