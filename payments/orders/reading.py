"""A payment with its order and the database's clock, in one round trip: what the door starts from.

The rows are the ORM's own; only the text is made once instead of at every call, which on this path takes longer than
PostgreSQL does.
"""

from datetime import UTC, datetime
from functools import cache
from typing import Any, TypeVar

from django.db import connection, models

from payments.orders.models import Order, Payment

Row = TypeVar("Row", bound=models.Model)


def read_payment(payment_id: str, *, account_id: str = "") -> tuple[Payment, datetime] | None:
    """None when there is none, or none of that gateway account where one is named; the clock is aware UTC."""
    condition = " AND p.gateway_account_id = %s" if account_id else ""
    with connection.cursor() as cursor:
        cursor.execute(_select() + condition, [payment_id, account_id] if account_id else [payment_id])
        row = cursor.fetchone()
    if row is None:
        return None
    count = len(Payment._meta.concrete_fields)
    payment = _instance(Payment, row[1 : count + 1])
    payment.order = _instance(Order, row[count + 1 :])
    return payment, row[0].astimezone(UTC)


@cache
def _select() -> str:
    columns = [f"{alias}.{_quoted(f)}" for model, alias in ((Payment, "p"), (Order, "o")) for f in _fields(model)]
    tables = f"{Payment._meta.db_table} AS p JOIN {Order._meta.db_table} AS o ON o.id = p.order_id"
    return f"SELECT clock_timestamp(), {', '.join(columns)} FROM {tables} WHERE p.id = %s"  # noqa: S608  # our names


def _quoted(field: Any) -> str:
    return connection.ops.quote_name(field.column)


def _fields(model: type[models.Model]) -> Any:
    return model._meta.concrete_fields


@cache
def _converters(model: type[models.Model]) -> list[tuple[int, Any]]:
    return [(n, f.from_db_value) for n, f in enumerate(_fields(model)) if hasattr(f, "from_db_value")]


def _instance(model: type[Row], row: Any) -> Row:
    values = list(row)
    for position, convert in _converters(model):
        values[position] = convert(values[position], None, connection)
    return model.from_db(connection.alias, [field.attname for field in _fields(model)], values)
