"""Lists by keyset: a page costs the same at row 25 and at row 10,000,000, and nothing is skipped while rows arrive.

No COUNT, no page numbers. A cursor is opaque, signed, and good for the address it was given for.
"""

import binascii
import hmac
import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

from django.db.models import Model, Q, QuerySet
from django.utils.crypto import salted_hmac
from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import inline_serializer
from rest_framework.pagination import BasePagination
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import BooleanField, CharField, Serializer
from rest_framework.views import APIView

from paycore.errors import PaycoreError

DEFAULT_LIMIT = 25
MAX_LIMIT = 100
_MAX_CURSOR_CHARACTERS = 512
_SIGNATURE_BYTES = 16


class InvalidCursor(PaycoreError):
    code, http_status = "invalid_cursor", 400
    title = _("The cursor is not one that this list gave out.")


class InvalidLimit(PaycoreError):
    code, http_status = "invalid_limit", 400
    title = _("The limit is a whole number from 1 to 100.")


@dataclass(frozen=True, slots=True)
class Cursor:
    """The place just after (or, backwards, just before) a row, by the values of the ordering."""

    values: tuple[str, ...]
    is_backwards: bool

    def encode(self, *, context: str) -> str:
        content = json.dumps([int(self.is_backwards), *self.values], separators=(",", ":"), ensure_ascii=False).encode()
        return urlsafe_b64encode(_signature(content, context) + content).rstrip(b"=").decode()

    @classmethod
    def decode(cls, text: str, *, context: str) -> "Cursor":
        if len(text) > _MAX_CURSOR_CHARACTERS or not text.isascii():
            raise InvalidCursor
        try:
            raw = urlsafe_b64decode(text + "=" * (-len(text) % 4))
        except binascii.Error as error:
            raise InvalidCursor from error
        content = raw[_SIGNATURE_BYTES:]
        if not hmac.compare_digest(raw[:_SIGNATURE_BYTES], _signature(content, context)):
            raise InvalidCursor
        is_backwards, *values = json.loads(content)
        return cls(tuple(values), bool(is_backwards))


def _signature(content: bytes, context: str) -> bytes:
    keyed = salted_hmac("paycore.pagination", context + "\0" + content.decode(errors="replace"), algorithm="sha256")
    return keyed.digest()[:_SIGNATURE_BYTES]


def page_of(serializer: type[Serializer[Any]]) -> Serializer[Any]:
    """The shape of one page of ``serializer``, for the API's description."""
    address = partial(CharField, allow_null=True, help_text=_("Send it as `cursor`; null at the end."))
    return inline_serializer(
        name=f"{serializer.__name__.removesuffix('Serializer')}Page",
        fields={
            "data": serializer(many=True),
            "next_cursor": address(),
            "previous_cursor": address(),
            "has_more": BooleanField(),
        },
    )


class KeysetPagination(BasePagination):
    """``?limit=`` (1 to 100) and ``?cursor=``; answers ``{data, next_cursor, previous_cursor, has_more}``.

    Newest first by id, for ids sort by time; a view may name another order in ``keyset_ordering``, which must end in a
    unique column and have an index. Columns of the order must not be null.
    """

    ordering: Sequence[str] = ("-id",)

    def paginate_queryset(self, queryset: QuerySet[Any], request: Request, view: Any = None) -> list[Any]:
        self._ordering = tuple(getattr(view, "keyset_ordering", self.ordering))
        self._context = request.path
        limit = _limit(request.query_params.get("limit"))
        sent = request.query_params.get("cursor")
        cursor = Cursor.decode(sent, context=self._context) if sent else None
        is_backwards = cursor is not None and cursor.is_backwards
        ordering = tuple(map(_reversed, self._ordering)) if is_backwards else self._ordering
        rows = queryset.order_by(*ordering)
        if cursor is not None:
            rows = rows.filter(_beyond(queryset.model, ordering, cursor.values))
        found = list(rows[: limit + 1])
        has_beyond, page = len(found) > limit, found[:limit]
        if is_backwards:
            page.reverse()
        self._has_next = bool(page) and (is_backwards or has_beyond)
        self._has_previous = bool(page) and (has_beyond if is_backwards else cursor is not None)
        self._page = page
        return page

    def get_paginated_response(self, data: Any) -> Response:
        following = self._cursor_at(self._page[-1], is_backwards=False) if self._has_next else None
        previous = self._cursor_at(self._page[0], is_backwards=True) if self._has_previous else None
        return Response(
            {"data": data, "next_cursor": following, "previous_cursor": previous, "has_more": following is not None}
        )

    def _cursor_at(self, row: Model, *, is_backwards: bool) -> str:
        values = (getattr(row, name.removeprefix("-")) for name in self._ordering)
        return Cursor(tuple(map(_text, values)), is_backwards).encode(context=self._context)

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        cursor = {"type": ["string", "null"], "description": "Give it as `cursor` to get that page."}
        return {
            "type": "object",
            "required": ["data", "next_cursor", "previous_cursor", "has_more"],
            "properties": {
                "data": schema,
                "next_cursor": cursor,
                "previous_cursor": cursor,
                "has_more": {"type": "boolean"},
            },
        }

    def get_schema_operation_parameters(self, view: Any) -> list[dict[str, Any]]:
        limit = {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "default": DEFAULT_LIMIT}
        return [
            {"name": "limit", "in": "query", "required": False, "description": "Rows a page.", "schema": limit},
            {
                "name": "cursor",
                "in": "query",
                "required": False,
                "description": "`next_cursor` or `previous_cursor` of an earlier answer.",
                "schema": {"type": "string", "maxLength": _MAX_CURSOR_CHARACTERS},
            },
        ]


def _limit(text: str | None) -> int:
    if text is None:
        return DEFAULT_LIMIT
    if not (text.isascii() and text.isdigit() and len(text) <= 3 and 1 <= int(text) <= MAX_LIMIT):
        raise InvalidLimit
    return int(text)


def _reversed(name: str) -> str:
    return name[1:] if name.startswith("-") else f"-{name}"


def _text(value: Any) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)


def _beyond(model: type[Model], ordering: Sequence[str], values: Sequence[str]) -> Q:
    """Rows after ``values`` in ``ordering``; the first column's bound stands alone so that an index can use it."""
    names = [name.removeprefix("-") for name in ordering]
    if len(values) != len(names):
        raise InvalidCursor
    columns = {column.name: column for column in model._meta.concrete_fields}
    parsed = [columns[name].to_python(value) for name, value in zip(names, values, strict=True)]
    beyond, equal = Q(), Q()
    for name, order, value in zip(names, ordering, parsed, strict=True):
        comparison = "lt" if order.startswith("-") else "gt"
        beyond |= equal & Q(**{f"{name}__{comparison}": value})
        equal &= Q(**{name: value})
    first = "lte" if ordering[0].startswith("-") else "gte"
    return Q(**{f"{names[0]}__{first}": parsed[0]}) & beyond if len(names) > 1 else beyond


def page_response(
    request: Request, rows: QuerySet[Any], *, view: APIView, present: Callable[[Any], dict[str, Any]]
) -> Response:
    """One page of ``rows``, each as ``present`` shows it."""
    paginator = KeysetPagination()
    page = paginator.paginate_queryset(rows, request, view=view)
    return paginator.get_paginated_response([present(row) for row in page])
