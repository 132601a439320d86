"""What a refused request may not touch: every row of the tables that hold what was asked, done, booked or told."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.apps import apps
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
    "payments_dispute",
    "payments_disputefile",
    "payments_mandate",
    "payments_paymentmethod",
    "payments_walletoperation",
    "payments_walletwithdrawal",
    "payments_webhookreceipt",
    "paycore_event",
    "paycore_outboxmessage",
    "paycore_idempotencykey",
    "paycore_notification",
    "riskcontrol_case",
    "memberships_subscription",
    "memberships_period",
    "memberships_invoice",
    "memberships_grant",
    "memberships_subscriptionchange",
    "memberships_creditnote",
    "memberships_seat",
    "memberships_gift",
    "memberships_redeemcode",
    "memberships_redemption",
    "memberships_pricemove",
    "memberships_usagecounter",
    "memberships_clockadvance",
    "payments_promotion",
    "payments_promotioncode",
    "payments_redemption",
    "memberships_storenotice",
    "memberships_storepurchase",
    "memberships_storetransaction",
    "memberships_storetoken",
    "memberships_storetransfer",
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


OURS = ("paycore", "accounts", "merchants", "riskcontrol", "payments", "memberships", "reconciliation")
# What every request may note about its caller.
NOTED = "{last_used_at,last_login,last_seen_at}"


def all_fingerprints() -> dict[str, tuple[int, str]]:
    """Rows and a hash over their columns for every table of the project, those that nobody has thought of included."""
    tables = sorted({model._meta.db_table for model in apps.get_models() if model._meta.app_label in OURS})
    found = {}
    with connection.cursor() as cursor:
        for table in tables:
            row = f"(to_jsonb(t) - '{NOTED}'::text[])::text"
            cursor.execute(f"SELECT count(*), md5(string_agg({row}, ',' ORDER BY {row})) FROM {table} AS t")
            found[table] = cursor.fetchone()
    return found


@contextmanager
def no_row_changes(*, but: frozenset[str] = frozenset()) -> Iterator[None]:
    """Over all tables of the project. ``but`` names tables that may change."""
    before = all_fingerprints()
    yield
    after = all_fingerprints()
    changed = {table: (before[table], after[table]) for table in before if before[table] != after[table]}
    assert set(changed) <= but, changed
