"""Codes that staff make in numbers: made in lots, exported once, used within their bounds."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import Error, transaction

from accounts.models import User
from memberships.gifts.batches import (
    MILL,
    BatchDraft,
    approve_batch,
    export_codes,
    start_batch,
    uses_of,
    void_batch,
)
from memberships.gifts.codes import digest_of
from memberships.gifts.errors import BatchExported, BatchIsYourOwn, BatchNotReady, BatchNotWaiting, CodeNotValid
from memberships.gifts.redeeming import redeem
from memberships.models import CodeBatch, Plan, Price, RedeemCode, Redemption
from merchants.models import Merchant
from paycore.clock import database_now
from tests.api.row_counts import no_row_changes
from tests.memberships.factories import make_catalogue
from tests.memberships.members import grants_of, make_member

pytestmark = pytest.mark.django_db


@pytest.fixture
def price(platform: Merchant) -> Price:
    return make_catalogue()


@pytest.fixture
def ben() -> User:
    return User.objects.create_user(email="ben@example.com")


def started(price: Price, **more: Any) -> CodeBatch:
    now = database_now()
    terms: dict[str, Any] = {"name": "Spring", "plan": price.plan, "interval": "week", "interval_count": 2, "count": 3}
    draft = BatchDraft(**(terms | {"expires_at": now + timedelta(days=9)} | more))
    return start_batch(draft, by="usr_boss", now=now)


def made(price: Price, **more: Any) -> tuple[CodeBatch, list[str]]:
    batch = started(price, **more)
    MILL.advance(batch.id)
    codes = export_codes(batch.id, by="usr_boss", now=database_now())
    batch.refresh_from_db()
    return batch, codes


def test_codes_are_made_in_the_background_and_exported_once(price: Price) -> None:
    batch = started(price)
    assert MILL.due(limit=9) == [batch.id]
    with pytest.raises(BatchNotReady):
        export_codes(batch.id, by="usr_boss", now=database_now())

    MILL.advance(batch.id)
    MILL.advance(batch.id)

    batch.refresh_from_db()
    assert (batch.status, batch.made, batch.next_attempt_at) == ("ready", 3, None)
    codes = export_codes(batch.id, by="usr_boss", now=database_now())
    assert {digest_of(code) for code in codes} == {bytes(code.digest) for code in RedeemCode.objects.all()}
    batch.refresh_from_db()
    assert (batch.secret, batch.exported_by) == (None, "usr_boss")
    with no_row_changes(), pytest.raises(BatchExported):
        export_codes(batch.id, by="usr_boss", now=database_now())


def test_many_codes_are_made_in_lots_and_a_dead_worker_is_taken_over(
    price: Price, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("paycore.code_batches.CHUNK", 10)
    monkeypatch.setattr("paycore.code_batches.LOTS", 1)
    batch = started(price, count=25)

    seen = []
    for _call in range(3):
        MILL.advance(batch.id)
        batch.refresh_from_db()
        seen.append((batch.made, batch.status))

    assert seen == [(10, "making"), (20, "making"), (25, "ready")]
    assert RedeemCode.objects.filter(batch=batch).count() == 25
    assert len(set(export_codes(batch.id, by="usr_boss", now=database_now()))) == 25


def test_a_code_gives_its_time_and_is_counted(price: Price, ben: User) -> None:
    batch, codes = made(price)
    now = database_now()

    redeem(codes[0], user=ben, now=now)

    (grant,) = grants_of(ben)
    assert (grant.source, grant.ends_at - grant.starts_at) == ("code", timedelta(days=14))
    assert uses_of(batch) == 1


def test_one_person_gets_a_batch_once(price: Price, ben: User) -> None:
    _batch, codes = made(price)
    redeem(codes[0], user=ben, now=database_now())
    with no_row_changes(), pytest.raises(CodeNotValid):
        redeem(codes[1], user=ben, now=database_now())
    other_batch, other = made(price)
    redeem(other[0], user=ben, now=database_now())
    assert Redemption.objects.filter(batch=other_batch).count() == 1


def test_a_code_for_several_people_stops_at_its_number(price: Price) -> None:
    _batch, codes = made(price, count=1, uses_a_code=2)
    crowd = [User.objects.create_user(email=f"p{number}@example.com") for number in range(3)]
    for user in crowd[:2]:
        redeem(codes[0], user=user, now=database_now())
    with no_row_changes(), pytest.raises(CodeNotValid):
        redeem(codes[0], user=crowd[2], now=database_now())


def test_after_its_date_or_its_end_a_code_gives_nothing(price: Price, ben: User) -> None:
    batch, codes = made(price)
    with no_row_changes(), pytest.raises(CodeNotValid):
        redeem(codes[0], user=ben, now=batch.expires_at)
    void_batch(batch.id, now=database_now())
    void_batch(batch.id, now=database_now())
    with no_row_changes(), pytest.raises(CodeNotValid):
        redeem(codes[0], user=ben, now=database_now())


def test_a_batch_that_ends_while_it_is_made_stays_ended(price: Price) -> None:
    batch = started(price)
    void_batch(batch.id, now=database_now())
    MILL.advance(batch.id)
    batch.refresh_from_db()
    assert (batch.status, batch.made, batch.secret) == ("void", 0, None)
    with pytest.raises(BatchNotReady):
        export_codes(batch.id, by="usr_boss", now=database_now())


def test_a_code_of_a_plan_that_is_not_sold_any_more_is_honoured_behind_the_own_membership(
    price: Price, ben: User
) -> None:
    _batch, codes = made(price)
    subscription = make_member(ben, price)
    Plan.objects.filter(id=price.plan_id).update(is_active=False)
    was = subscription.period_ends_at

    redeem(codes[0], user=ben, now=database_now())

    subscription.refresh_from_db()
    assert was is not None
    assert subscription.period_ends_at == was + timedelta(days=14)


@pytest.fixture
def _small_budget(settings: Any) -> None:
    settings.PAYCORE_PROMOTION_SECOND_PERSON_ABOVE_DAYS = 41  # three codes of two weeks are 42


@pytest.mark.usefixtures("_small_budget")
def test_a_big_batch_waits_for_another_person(price: Price) -> None:
    batch = started(price)
    assert (batch.status, batch.needs_second_person, MILL.due(limit=9)) == ("waiting", True, [])
    with no_row_changes():
        MILL.advance(batch.id)
        with pytest.raises(BatchNotReady):
            export_codes(batch.id, by="usr_boss", now=database_now())
        with pytest.raises(BatchIsYourOwn):
            approve_batch(batch.id, by="usr_boss", now=database_now())

    approved = approve_batch(batch.id, by="usr_other", now=database_now())

    assert (approved.status, approved.approved_by, MILL.due(limit=9)) == ("making", "usr_other", [batch.id])
    MILL.advance(batch.id)
    assert len(export_codes(batch.id, by="usr_boss", now=database_now())) == 3
    with no_row_changes(), pytest.raises(BatchNotWaiting):
        approve_batch(batch.id, by="usr_third", now=database_now())


@pytest.mark.usefixtures("_small_budget")
def test_the_limit_itself_needs_nobody_and_every_factor_counts(price: Price) -> None:
    small = {"interval": "day", "interval_count": 41, "count": 1}
    assert not started(price, **small).needs_second_person
    for more in ({"count": 2}, {"uses_a_code": 2}, {"interval_count": 42}, {"interval": "week"}):
        assert started(price, **(small | more)).needs_second_person


@pytest.mark.usefixtures("_small_budget")
def test_a_waiting_batch_may_be_given_up(price: Price) -> None:
    batch = started(price)
    assert void_batch(batch.id, now=database_now()).status == "void"
    with no_row_changes(), pytest.raises(BatchNotWaiting):
        approve_batch(batch.id, by="usr_other", now=database_now())


@pytest.mark.usefixtures("_small_budget")
@pytest.mark.parametrize(
    "change",
    [
        {"status": "making", "next_attempt_at": "2026-01-01T00:00:00Z"},
        {"status": "making", "next_attempt_at": "2026-01-01T00:00:00Z", "approved_by": "usr_boss"},
        {"needs_second_person": False},
        {"created_by": "usr_other"},
    ],
)
def test_the_database_asks_for_the_second_person_too(price: Price, change: dict[str, Any]) -> None:
    batch = started(price)
    with pytest.raises(Error), transaction.atomic():
        CodeBatch.objects.filter(id=batch.id).update(**change)
