"""What a refused request may not touch: every row of the tables that hold what was asked, done, booked or told."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection

TABLES = (
    "payments_order",
    "payments_payment",
    "payments_capture",
    "payments_refund",
    "payments_evidence",
    "payments_posting",
    "payments_transfer",
    "payments_ledgeraccount",
    "payments_checkoutsession",
    "payments_webhookreceipt",
    "paycore_event",
    "paycore_outboxmessage",
    "paycore_idempotencykey",
    "paycore_notification",
    "riskcontrol_case",
    "memberships_purchase",
    "memberships_period",
)
_FINGERPRINTS = " UNION ALL ".join(
    f"SELECT '{table}', count(*), md5(string_agg(t::text, ',' ORDER BY t.id)) FROM {table} AS t" for table in TABLES
)


def fingerprints() -> dict[str, tuple[int, str]]:
    """Rows and a hash over all their columns, by table."""
    with connection.cursor() as cursor:
        cursor.execute(_FINGERPRINTS)
        return {table: (count, digest) for table, count, digest in cursor.fetchall()}


@contextmanager
def nothing_changes() -> Iterator[None]:
    before = fingerprints()
    yield
    after = fingerprints()
    changed = {table: (before[table], after[table]) for table in TABLES if before[table] != after[table]}
    assert not changed, changed
