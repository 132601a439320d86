"""Rows inserted as one JSON text are the rows that the ORM would have saved."""

from datetime import UTC, datetime

import pytest
from django.db import IntegrityError, transaction

from memberships.models import Period, SubscriptionChange
from paycore.bulk import insert_rows
from paycore.models import EventRecord
from tests.memberships.factories import make_catalogue
from tests.memberships.test_reports import member

pytestmark = pytest.mark.django_db
NOON = datetime(2026, 3, 1, 12, 0, 0, 123456, tzinfo=UTC)


def changes(count: int, **more: object) -> list[SubscriptionChange]:
    subscription = member(make_catalogue())
    return [
        SubscriptionChange(
            subscription=subscription,
            kind=f"k{number}",
            status="ended",
            by="system",
            details={"n": number, "text": 'zwölf 十二 "quoted" \\ \n'},
            happened_at=NOON,
            **more,
        )
        for number in range(count)
    ]


def test_rows_are_what_the_orm_reads_and_would_have_written() -> None:
    rows = changes(3)
    insert_rows(rows[:2])
    rows[2].save()
    fast, _second, slow = SubscriptionChange.objects.order_by("id")
    ignored = {"id", "kind", "details", "_state"}
    assert {k: v for k, v in vars(fast).items() if k not in ignored} == {
        k: v for k, v in vars(slow).items() if k not in ignored
    }
    assert fast.details == {"n": 0, "text": 'zwölf 十二 "quoted" \\ \n'}
    assert fast.happened_at == NOON
    assert not rows[0]._state.adding


def test_defaults_of_the_database_are_its_own() -> None:
    price = make_catalogue()
    subscription = member(price)
    period = Period(
        subscription=subscription, number=1, plan_version=price.plan.versions.get(), starts_at=NOON,
        ends_at=NOON.replace(month=4),
    )  # fmt: skip
    insert_rows([period])
    stored = Period.objects.get()
    assert stored.id == period.id
    assert (stored.status, stored.version) == ("open", 1)
    assert stored.created_at is not None


def test_constraints_refuse_all_of_them() -> None:
    price = make_catalogue()
    subscription = member(price, ("01-01", "02-01"))
    again = Period(
        subscription=subscription, number=1, plan_version=price.plan.versions.get(), starts_at=NOON,
        ends_at=NOON.replace(month=4),
    )  # fmt: skip
    with pytest.raises(IntegrityError, match="period_once"), transaction.atomic():
        insert_rows([again])
    assert Period.objects.count() == 1


def test_nothing_is_inserted_for_nothing() -> None:
    insert_rows([])
    assert EventRecord.objects.count() == 0
