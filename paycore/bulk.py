"""Many rows in one statement, for the batches of hot paths: what ``bulk_create`` and ``bulk_update`` do at a fifth of
their cost.

The ORM prepares every value of every row by itself; here rows travel as one JSON text, and PostgreSQL knows the types.
"""

import json
from collections.abc import Callable, Collection, Sequence
from datetime import date, datetime
from functools import cache
from typing import Any, Self, TypeVar

from django.db import connection, models
from django.db.models.base import ModelState

from paycore.identifiers import PrefixedIdField

ModelT = TypeVar("ModelT", bound=models.Model)


class ReadInBulk(models.Model):
    """A model whose whole rows become instances without ``Model.__init__``, which looks at each column by itself: for
    tables that hot paths read by the hundred."""

    class Meta:
        abstract = True

    @classmethod
    def from_db(cls, db: str | None, field_names: Collection[str], values: Collection[Any]) -> Self:
        names = _attnames(cls)
        if len(values) != len(names):
            return super().from_db(db, field_names, values)
        instance = cls.__new__(cls)
        state = ModelState()
        state.adding, state.db = False, db
        instance.__dict__.update(zip(names, values, strict=True), _state=state)
        return instance


def new_row(model: type[ModelT], **values: Any) -> ModelT:
    """``model(**values)`` for batches, at a third of the cost: by the columns' names (``user_id``, not ``user``), and
    nothing is looked at. TypeError when there is no such column."""
    names, fixed, made = _blank(model)
    if not names.issuperset(values):
        raise TypeError(f"{model.__name__} has no {sorted(values.keys() - names)}")
    instance = model.__new__(model)
    row = instance.__dict__
    row["_state"] = ModelState()
    row.update(fixed)
    for name, make in made:
        row[name] = values[name] if name in values else make()
    row.update(values)
    return instance


def insert_rows(rows: Sequence[models.Model]) -> None:
    """Insert unsaved instances of one plain model: numbers, texts, times, JSON; no encrypted or binary columns. Columns
    that all leave to the database (its defaults, an identity) are its own. Constraints and triggers see every row."""
    if not rows:
        return
    model = type(rows[0])
    first = rows[0].__dict__
    columns = [(attname, column) for attname, column in _columns(model) if not _is_left(attname, first[attname])]
    names = ", ".join(column for _attname, column in columns)
    table = model._meta.db_table
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {table} ({names}) SELECT {names} FROM jsonb_populate_recordset(NULL::{table}, %s)",  # noqa: S608 our names
            [_as_text(rows, columns)],
        )
    for instance in rows:
        instance._state.adding, instance._state.db = False, connection.alias


def update_rows(rows: Sequence[models.Model], *, fields: Sequence[str]) -> None:
    """Save ``fields`` of instances that are stored, and locked by the caller. Triggers and constraints see every row as
    with a single save."""
    if not rows:
        return
    model = type(rows[0])
    by_name = {field.name: (field.attname, field.column) for field in model._meta.concrete_fields}
    columns = [by_name[name] for name in ("id", *fields)]
    table = model._meta.db_table
    changes = ", ".join(f"{column} = new.{column}" for _attname, column in columns[1:])
    with connection.cursor() as cursor:
        cursor.execute(
            f"UPDATE {table} AS saved SET {changes}"  # noqa: S608 our names
            f" FROM jsonb_populate_recordset(NULL::{table}, %s) AS new WHERE saved.id = new.id",
            [_as_text(rows, columns)],
        )


def _as_text(rows: Sequence[models.Model], columns: Sequence[tuple[str, str]]) -> str:
    return json.dumps([_row(instance, columns) for instance in rows], default=_plain, separators=(",", ":"))


def _row(instance: models.Model, columns: Sequence[tuple[str, str]]) -> dict[str, Any]:
    values = instance.__dict__
    return {column: values[attname] for attname, column in columns}


def _is_left(attname: str, value: Any) -> bool:
    return hasattr(value, "resolve_expression") or (attname == "id" and value is None)


def _plain(value: Any) -> Any:
    if isinstance(value, datetime | date):
        return value.isoformat()
    return str(value)


@cache
def _columns(model: type[models.Model]) -> list[tuple[str, str]]:
    return [(field.attname, field.column) for field in model._meta.concrete_fields]


@cache
def _attnames(model: type[models.Model]) -> tuple[str, ...]:
    return tuple(field.attname for field in model._meta.concrete_fields)


def _makes_its_default(field: "models.Field[Any, Any]") -> bool:
    return field.has_default() and callable(field.default)


@cache
def _blank(
    model: type[models.Model],
) -> tuple[frozenset[str], dict[str, Any], tuple[tuple[str, Callable[[], Any]], ...]]:
    """The names of the columns; the values that every new row begins with; what makes those that differ."""
    fields = model._meta.concrete_fields
    differing = [field for field in fields if isinstance(field, PrefixedIdField) or _makes_its_default(field)]
    names = {field.attname for field in differing}
    fixed = {field.attname: field.get_default() for field in fields if field.attname not in names}
    return frozenset(_attnames(model)), fixed, tuple((field.attname, field.get_default) for field in differing)
