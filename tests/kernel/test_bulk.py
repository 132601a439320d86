"""Rows inserted as one JSON text are the rows that the ORM would have saved."""

from datetime import UTC, datetime

import pytest
from django.db import IntegrityError, InternalError, connection, models, transaction

from memberships.models import Invoice, Period, RevenueSchedule, Subscription, SubscriptionChange
from paycore.bulk import insert_rows, new_row
from paycore.models import EventRecord
from payments.methods.models import Mandate, PaymentMethod
from payments.orders.models import Order, Payment
from tests.memberships.factories import make_catalogue
from tests.memberships.test_reports import member

pytestmark = pytest.mark.django_db
NOON = datetime(2026, 3, 1, 12, 0, 0, 123456, tzinfo=UTC)
MODELS = (Invoice, Mandate, Order, Payment, PaymentMethod, Period, RevenueSchedule, Subscription, SubscriptionChange)


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


def plain(row: models.Model) -> dict[str, object]:
    """Its columns, without its own id; defaults that are the database's by their kind."""
    values = {name: value for name, value in vars(row).items() if name not in ("_state", "id")}
    return {name: type(value) if hasattr(value, "resolve_expression") else value for name, value in values.items()}


@pytest.mark.parametrize(
    "model",
    [Invoice, Mandate, Order, Payment, PaymentMethod, Period, RevenueSchedule, Subscription, SubscriptionChange],
)
def test_new_row_is_what_the_model_makes(model: type[models.Model]) -> None:
    new, usual = new_row(model), model()
    assert plain(new) == plain(usual)
    assert new._state.adding
    assert type(new.pk) is type(usual.pk)
    assert new.pk is None or new.pk != usual.pk, "an id of its own"


def test_new_rows_share_nothing_that_can_be_changed() -> None:
    one, other = new_row(Order), new_row(Order)
    one.metadata["k"] = "v"
    assert other.metadata == {}


def test_new_row_with_an_unknown_column_is_refused() -> None:
    with pytest.raises(TypeError, match="subscriptoin_id"):
        new_row(Period, subscriptoin_id="sub_1")


def test_whole_rows_are_read_as_the_model_would_make_them() -> None:
    member(make_catalogue(), ("01-01", "02-01"))
    read = Period.objects.select_related("subscription").get()
    columns = {field.attname: getattr(read, field.attname) for field in Period._meta.concrete_fields}
    assert plain(read) == plain(Period(**columns))
    assert (read._state.adding, read._state.db) == (False, "default")
    assert Period.subscription.is_cached(read)
    read.status = Period.Status.REVOKED
    read.save()
    assert Period.objects.get().status == Period.Status.REVOKED


def test_rows_read_in_part_ask_for_the_rest() -> None:
    member(make_catalogue(), ("01-01", "02-01"))
    read = Period.objects.only("number").get()
    assert "status" in read.get_deferred_fields()
    assert read.status == Period.Status.PAID


def test_triggers_know_that_nobody_wants_them_ignored_and_still_refuse() -> None:
    member(make_catalogue(), ("01-01", "02-01"))
    with connection.cursor() as cursor:
        cursor.execute("SHOW pgtrigger.ignore")
        assert cursor.fetchone() == ("{}",)
    with pytest.raises(InternalError, match="Invalid transition"), transaction.atomic():
        Period.objects.update(status=Period.Status.OPEN)
