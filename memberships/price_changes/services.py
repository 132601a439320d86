"""Which price a renewal has, once a price change was announced."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from django.db import connection

from memberships.catalogue.known import price_of
from memberships.models import Price

# OFFSET 0: each subscription and its moves are looked up by key, whatever the planner believes about the tables' size.
_EFFECTIVE = """
    SELECT asked.id, change.to_price_id
    FROM unnest(%(ids)s::text[], %(moments)s::timestamptz[]) AS asked (id, moment)
    CROSS JOIN LATERAL (
        SELECT change_id, status, may_apply_from FROM memberships_pricemove
        WHERE subscription_id = asked.id AND status IN ('waiting', 'agreed', 'refused') OFFSET 0
    ) AS move
    CROSS JOIN LATERAL (SELECT price_id FROM memberships_subscription WHERE id = asked.id OFFSET 0) AS subscription
    JOIN memberships_pricechange AS change ON change.id = move.change_id
        AND change.status = 'announced' AND change.from_price_id = subscription.price_id
        AND (move.status = 'agreed' OR change.kind = 'notice')
    WHERE move.may_apply_from <= asked.moment
"""
_APPLIED = """
    WITH chosen AS MATERIALIZED (
        SELECT move.id
        FROM unnest(%s::text[]) AS asked (id)
        CROSS JOIN LATERAL (
            SELECT id, change_id, status FROM memberships_pricemove
            WHERE subscription_id = asked.id AND status IN ('waiting', 'agreed', 'refused') OFFSET 0
        ) AS move
        CROSS JOIN LATERAL (SELECT price_id FROM memberships_subscription WHERE id = asked.id OFFSET 0) AS subscription
        JOIN memberships_pricechange AS change ON change.id = move.change_id
            AND change.status = 'announced' AND subscription.price_id IN (change.from_price_id, change.to_price_id)
            AND (move.status = 'agreed' OR change.kind = 'notice')
    )
    UPDATE memberships_pricemove SET status = 'applied', applied_at = clock_timestamp()
    WHERE id = ANY(ARRAY(SELECT id FROM chosen)) AND status IN ('waiting', 'agreed', 'refused')
"""


def effective_prices(subscription_ids: Sequence[str], *, moments: Mapping[str, datetime]) -> dict[str, Price]:
    """The new price of those subscriptions for which one applies to a period that starts at its moment (``moments``: by
    subscription, by the member's clock); who is not named keeps their own. One query."""
    if not subscription_ids:
        return {}
    asked: dict[str, Any] = {"ids": [*subscription_ids], "moments": [moments[one] for one in subscription_ids]}
    with connection.cursor() as cursor:
        cursor.execute(_EFFECTIVE, asked)
        return {subscription_id: price_of(price_id) for subscription_id, price_id in cursor.fetchall()}


def note_applied(subscription_ids: Sequence[str]) -> None:
    """Their next period has the price that :func:`effective_prices` named. In the transaction that wrote it."""
    if subscription_ids:
        with connection.cursor() as cursor:
            cursor.execute(_APPLIED, [[*subscription_ids]])
