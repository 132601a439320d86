import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import UTC, datetime, timedelta
from itertools import chain
from typing import Any

import pytest
from django.db import connection, models
from django.test.utils import CaptureQueriesContext, isolate_apps
from rest_framework import serializers
from rest_framework.generics import ListAPIView
from rest_framework.test import APIRequestFactory

from paycore.pagination import KeysetPagination

pytestmark = pytest.mark.django_db


# Outside the registry: no migration check or architecture test shall meet it.
with isolate_apps("paycore"):

    class Note(models.Model):
        id = models.CharField(primary_key=True, max_length=40, db_collation="C")
        written_at = models.DateTimeField()

        class Meta:
            app_label = "paycore"
            managed = False
            db_table = "test_note"

        def __str__(self) -> str:
            return self.id


class NoteSerializer(serializers.ModelSerializer[Note]):
    class Meta:
        model = Note
        fields = ("id",)


class ListNotes(ListAPIView[Note]):
    queryset = Note.objects.all()
    serializer_class = NoteSerializer
    pagination_class = KeysetPagination
    authentication_classes = ()
    permission_classes = ()


class ListNotesByTime(ListNotes):
    keyset_ordering = ("-written_at", "id")


START = datetime(2026, 11, 21, 10, 0, 0, 123456, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _notes() -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            'CREATE TEMPORARY TABLE test_note (id varchar(40) COLLATE "C" PRIMARY KEY, written_at timestamptz)'
        )
    # Three notes share each instant, so that the second column decides.
    Note.objects.bulk_create(Note(f"not_{n:03}", START + timedelta(microseconds=n // 3)) for n in range(60))


def get(address: str = "/api/v1/notes", view: Any = ListNotes, **query: Any) -> Any:
    response = view.as_view()(APIRequestFactory().get(address, query))
    response.render()
    return response


def ids(response: Any) -> list[str]:
    return [row["id"] for row in response.data["data"]]


@pytest.mark.parametrize("view", [ListNotes, ListNotesByTime])
@pytest.mark.parametrize("limit", [1, 7, 20, 59, 60])
def test_pages_forth_and_back_hold_every_row_once_in_order(view: Any, limit: int) -> None:
    expected = list(Note.objects.order_by(*getattr(view, "keyset_ordering", ("-id",))).values_list("id", flat=True))
    page, pages = get(view=view, limit=limit), []
    assert page.data["previous_cursor"] is None
    while True:
        pages.append(ids(page))
        assert page.data["has_more"] is (page.data["next_cursor"] is not None)
        if not page.data["has_more"]:
            break
        page = get(view=view, limit=limit, cursor=page.data["next_cursor"])
    assert list(chain.from_iterable(pages)) == expected
    back = [ids(page)]
    while page.data["previous_cursor"]:
        page = get(view=view, limit=limit, cursor=page.data["previous_cursor"])
        assert page.data["has_more"]
        back.insert(0, ids(page))
    assert list(chain.from_iterable(back)) == expected


def test_rows_that_arrive_meanwhile_shift_nothing() -> None:
    first = get(limit=10)
    Note.objects.create(id="not_999", written_at=START)
    second = get(limit=10, cursor=first.data["next_cursor"])
    assert ids(first) + ids(second) == [f"not_{n:03}" for n in range(59, 39, -1)]


def test_a_page_is_one_query_without_a_count() -> None:
    cursor = get(limit=10).data["next_cursor"]
    with CaptureQueriesContext(connection) as queries:
        get(limit=10, cursor=cursor)
    [query] = [query["sql"] for query in queries.captured_queries]
    assert "COUNT" not in query.upper()
    assert "OFFSET" not in query.upper()
    assert "LIMIT 11" in query


def test_an_empty_list_is_a_whole_answer() -> None:
    Note.objects.all().delete()
    assert get().data == {"data": [], "next_cursor": None, "previous_cursor": None, "has_more": False}


def test_twenty_five_is_the_default() -> None:
    assert len(ids(get())) == 25


@pytest.mark.parametrize("limit", ["0", "101", "-1", "1.0", "ten", "", "１", "1e1", "9" * 30])
def test_an_odd_limit_is_refused(limit: str) -> None:
    response = get(limit=limit)
    assert (response.status_code, response.data["code"]) == (400, "invalid_limit")


def forge(cursor: str) -> str:
    raw = urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
    return urlsafe_b64encode(raw[:16] + json.dumps([0, "not_999"]).encode()).decode()


def test_forged_foreign_and_broken_cursors_are_refused() -> None:
    cursor = get(limit=5).data["next_cursor"]
    for sent in [cursor[:-2], forge(cursor), "x", "é", "=", "A" * 600, cursor + "AAAA", "A" * 24]:
        response = get(cursor=sent)
        assert (response.status_code, response.data["code"]) == (400, "invalid_cursor"), sent
    elsewhere = get(address="/api/v1/other", cursor=cursor)
    assert elsewhere.data["code"] == "invalid_cursor"


def test_the_cursor_is_opaque_and_short() -> None:
    cursor = get(limit=5).data["next_cursor"]
    assert "not_" not in cursor
    assert len(cursor) < 120


def test_the_description_names_the_parameters_and_the_answer() -> None:
    pagination = KeysetPagination()
    assert [one["name"] for one in pagination.get_schema_operation_parameters(None)] == ["limit", "cursor"]
    schema = pagination.get_paginated_response_schema({"type": "array"})
    assert set(schema["properties"]) == set(get().data) == set(schema["required"])
