"""The two round trips of a payment: rows and changes as the JSON that ``begin.sql`` and ``apply.sql`` read."""

import base64
import json
from collections.abc import Sequence
from contextlib import nullcontext
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import connection, transaction

from paycore import events
from paycore.database import call_function
from paycore.idempotency import LEASE_SECONDS, Key, StoredResponse
from payments.events import OrderCreated
from payments.gateways.contract import PaymentResult
from payments.orders.models import Evidence, Order, Payment
from payments.orders.outcomes import Change, Known
from payments.orders.schedule import FIRST_QUERY_SECONDS
from payments.promotions.services import uses_as_rows

_ORDER_COLUMNS = [field.column for field in Order._meta.concrete_fields]
_PAYMENT_COLUMNS = [field.column for field in Payment._meta.concrete_fields]


def begin(
    payment: Payment,
    *,
    order: Order | None,
    key: Key | None,
    is_claimed: bool,
    journal: dict[str, Any] | None = None,
    hold_seconds: int | None = None,
    quotas: list[dict[str, Any]] | None = None,
    open_seconds: int | None = None,
) -> dict[str, Any]:
    """tx 1. ``order`` only when it is to be created; ``journal`` is risk control's, ``quotas`` routing's;
    ``open_seconds`` how long the order stays payable at least. Answers ``{"now": iso, "expires_at": iso,
    "order_version": int}`` or ``{"claim": …}``."""
    # Inside somebody's transaction a refusal must not break it.
    more: dict[str, Any] = {
        "first_query_seconds": FIRST_QUERY_SECONDS,
        "journal": journal,
        "hold_seconds": hold_seconds,
        "quotas": quotas,
        "open_seconds": open_seconds,
    }
    with transaction.atomic() if connection.in_atomic_block else nullcontext():
        answer = _call_begin(payment, more, order=order, key=key, is_claimed=is_claimed)
    loaded: dict[str, Any] = json.loads(answer) if isinstance(answer, str) else answer
    return loaded


def _call_begin(
    payment: Payment, more: dict[str, Any], *, order: Order | None, key: Key | None, is_claimed: bool
) -> Any:
    news = [events.as_row(OrderCreated(order.id, order.merchant_id))] if order else []
    return call_function(
        "payments_begin",
        _dump(_key_as_row(key) | {"is_claimed": is_claimed}) if key else None,
        _dump(_new_order_as_row(order)) if order else None,
        _dump(_row(payment, _PAYMENT_COLUMNS) | more),
        _dump(news),
    )


def _new_order_as_row(order: Order) -> dict[str, Any]:
    return _row(order, _ORDER_COLUMNS) | {
        "lifetime_seconds": settings.PAYCORE_ORDER_LIFETIME_SECONDS,
        "promotions": uses_as_rows(order.planned_uses),
    }


def change_as_row(
    known: Known, change: Change, result: PaymentResult | None, *, source: Evidence.Source
) -> dict[str, Any]:
    """The change with the versions it was decided on. Call before the instances in memory are moved on."""
    return {
        "order_id": known.order.id,
        "order_version": known.order.version,
        "payment_id": known.payment.id,
        "payment_version": known.payment.version,
        "payment": change.payment,
        "order": change.order,
        "entries": [entry.as_row() for entry in change.entries],
        "events": [events.as_row(event) for event in change.events],
        "evidence": _evidence_as_row(change, result, source=source),
    }


def apply(row: dict[str, Any], *, key: Key | None, response: StoredResponse | None) -> bool:
    """tx 2. False when a row moved since it was read: nothing was written."""
    row["key"] = None
    if key and response:
        body = base64.b64encode(response.body).decode()
        row["key"] = _key_as_row(key) | {"status": response.status, "body": body}
    applied: bool = call_function("payments_apply", _dump(row))
    return applied


def create_many(orders: Sequence[Order]) -> None:
    """New orders, in the running transaction, with their news."""
    rows = [_row(order, _ORDER_COLUMNS) for order in orders]
    news = [events.as_row(OrderCreated(order.id, order.merchant_id)) for order in orders]
    call_function("payments_create_orders", _dump(rows), _dump(news))


def begin_many(payments: Sequence[Payment], *, first_query_seconds: int) -> dict[str, Any]:
    """tx 1 of many: ``{"now": iso, "begun": {payment id: order version}, "refused": {payment id: why}}``."""
    more = {"first_query_seconds": first_query_seconds}
    answer = call_function("payments_begin_many", _dump([_row(row, _PAYMENT_COLUMNS) | more for row in payments]))
    loaded: dict[str, Any] = json.loads(answer) if isinstance(answer, str) else answer
    return loaded


def apply_many(rows: Sequence[dict[str, Any]]) -> frozenset[str]:
    """tx 2 of many; the ids of the payments whose rows had not moved since they were read."""
    return frozenset(call_function("payments_apply_many", _dump(list(rows)))) if rows else frozenset()


def _evidence_as_row(change: Change, result: PaymentResult | None, *, source: Evidence.Source) -> dict[str, Any] | None:
    if source == Evidence.Source.QUERY and not change.moves and change.note in ("already_known", "not_found"):
        return None
    details: dict[str, Any] = {}
    if result is not None:
        details = {
            "gateway_reference": result.gateway_reference,
            "amount_minor": result.amount_minor,
            "currency": result.currency,
            "captured_minor": result.captured_minor,
            "fee_minor": result.fee_minor,
            "failure_code": result.failure_code,
            "occurred_at": result.occurred_at.isoformat() if result.occurred_at else None,
        }
    return {
        "source": str(source.value),
        "outcome": str(result.outcome) if result else "no_answer",
        "is_applied": change.moves,
        "note": change.note[:60],
        "details": {name: value for name, value in details.items() if value not in (None, "")},
    }


def _key_as_row(key: Key) -> dict[str, Any]:
    return {
        "scope": key.scope,
        "key": key.value,
        "fingerprint": key.fingerprint.hex(),
        "lease_seconds": LEASE_SECONDS,
        "token": str(key.token),
    }


def _row(instance: Order | Payment, columns: list[str]) -> dict[str, Any]:
    values = instance.__dict__
    return {column: values.get(column) for column in columns}


def _plain(value: Any) -> Any:
    """Of what JSON does not know: a time, or a default that is left to the database."""
    return value.isoformat() if isinstance(value, datetime) else None


_dump = json.JSONEncoder(separators=(",", ":"), default=_plain).encode
