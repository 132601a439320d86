"""A price change from its draft to its end: who is told, who pays what from when, and what nobody may do."""

from typing import Any

import pytest
from django.db import DatabaseError, IntegrityError, transaction

from accounts.models import User
from memberships.catalogue.services import archive_price, restore_price
from memberships.models import Plan, Price, PriceChange, PriceMove, Subscription
from memberships.price_changes.announcing import (
    Draft,
    advance_change,
    announce,
    create_change,
    due_changes,
    progress_percent,
    withdraw,
)
from memberships.price_changes.answering import agree, refuse
from memberships.price_changes.errors import (
    NoPriceChange,
    NoticeTooShort,
    PriceChangeIsYourOwn,
    PriceChangeNotDraft,
    PriceChangeOver,
    PriceChangeOverlaps,
    PriceOnlyFalls,
    PricesDoNotFit,
    PriceStillOnSale,
)
from memberships.price_changes.services import effective_prices, note_applied
from memberships.price_changes.touched import dry_run
from memberships.subscriptions.ending import end_subscription
from memberships.subscriptions.recording import Why
from memberships.tasks import advance_price_changes
from paycore.clock import advance, database_now
from paycore.errors import NotFound
from paycore.models import EventRecord, Notification
from paycore.money import Money
from tests.api.row_counts import no_row_changes
from tests.memberships.factories import make_price
from tests.memberships.price_stage import DAY, another_person, in_days, make_change, make_member, make_prices

pytestmark = pytest.mark.django_db
Prices = tuple[Price, Price]


@pytest.fixture
def prices() -> Prices:
    """19.99 USD a month, not on sale any more, and 22.99."""
    return make_prices()


def tell(change: PriceChange) -> PriceChange:
    announce(change.id, by_id=another_person())
    return advance_change(change.id)


def price_at(member: Subscription, days: int) -> Price | None:
    return effective_prices([member.id], moments={member.id: in_days(days)}).get(member.id)


def move_of(member: Subscription) -> PriceMove:
    return PriceMove.objects.get(subscription=member)


def user_of(member: Subscription) -> str:
    return str(member.user_id)


# The rule


def test_after_a_notice_renewals_have_the_new_price(prices: Prices) -> None:
    member = make_member(prices[0])
    tell(make_change(prices))

    assert price_at(member, 29) is None
    assert price_at(member, 31) == prices[1]


def test_without_consent_the_old_price_stays(prices: Prices) -> None:
    member = make_member(prices[0])
    change = tell(make_change(prices, kind="consent"))

    assert price_at(member, 400) is None
    PriceMove.objects.get(change=change)
    assert not Subscription.objects.get(id=member.id).cancel_at_period_end


def test_with_consent_the_next_renewal_has_the_new_price(prices: Prices) -> None:
    member = make_member(prices[0])
    tell(make_change(prices, kind="consent"))

    agree(member.id, user_id=user_of(member), now=database_now())

    assert price_at(member, 1) == prices[1]
    assert move_of(member).status == "agreed"


def test_who_agrees_to_a_notice_still_has_all_of_it(prices: Prices) -> None:
    member = make_member(prices[0])
    tell(make_change(prices))

    agree(member.id, user_id=user_of(member), now=database_now())

    assert price_at(member, 29) is None
    assert price_at(member, 31) == prices[1]


def test_a_lower_price_needs_no_answer_and_no_notice() -> None:
    prices = make_prices(old=1999, new=1499)
    member = make_member(prices[0])
    tell(make_change(prices, kind="consent"))

    assert price_at(member, 1) == prices[1]
    assert Notification.objects.get().template == "price_change_lower"
    with pytest.raises(PriceOnlyFalls):
        refuse(member.id, user_id=user_of(member), now=database_now())
    assert move_of(member).status == "agreed"


@pytest.mark.parametrize("more", [{"seat_amounts": (100, 200)}, {"old": 1999, "new": 1499, "seat_amounts": (100, 101)}])
def test_a_dearer_seat_is_a_rise(more: dict[str, Any]) -> None:
    prices = make_prices(**more)
    member = make_member(prices[0])
    tell(make_change(prices))

    assert price_at(member, 1) is None
    assert price_at(member, 31) == prices[1]


def test_a_refusal_of_a_notice_ends_the_membership_with_its_period(prices: Prices) -> None:
    member = make_member(prices[0])
    tell(make_change(prices))

    refuse(member.id, user_id=user_of(member), now=database_now())

    member.refresh_from_db()
    assert (member.status, member.cancel_at_period_end) == ("active", True)
    assert [change.kind for change in member.changes.order_by("id")] == ["price_refused", "canceled"]
    assert EventRecord.objects.filter(name="membership.changed", object_id=member.id).count() == 2


def test_who_stays_although_they_refused_pays_the_new_price(prices: Prices) -> None:
    member = make_member(prices[0])
    tell(make_change(prices))
    refuse(member.id, user_id=user_of(member), now=database_now())

    Subscription.objects.filter(id=member.id).update(cancel_at_period_end=False)

    assert price_at(member, 29) is None
    assert price_at(member, 31) == prices[1]


def test_a_refusal_where_consent_is_asked_for_keeps_price_and_membership(prices: Prices) -> None:
    member = make_member(prices[0])
    tell(make_change(prices, kind="consent"))

    refuse(member.id, user_id=user_of(member), now=database_now())

    member.refresh_from_db()
    assert not member.cancel_at_period_end
    assert price_at(member, 400) is None


def test_a_refusal_may_be_taken_back_and_with_it_the_end_it_brought(prices: Prices) -> None:
    member = make_member(prices[0])
    tell(make_change(prices))
    refuse(member.id, user_id=user_of(member), now=database_now())

    agree(member.id, user_id=user_of(member), now=database_now())

    member.refresh_from_db()
    assert (member.cancel_at_period_end, member.canceled_at) == (False, None)
    assert move_of(member).status == "agreed"


def test_agreeing_does_not_take_back_what_the_member_canceled_for_themselves(prices: Prices) -> None:
    member = make_member(prices[0])
    tell(make_change(prices))
    Subscription.objects.filter(id=member.id).update(cancel_at_period_end=True, canceled_at=database_now())

    agree(member.id, user_id=user_of(member), now=database_now())

    member.refresh_from_db()
    assert member.cancel_at_period_end


def test_a_second_answer_is_the_first_one(prices: Prices) -> None:
    member = make_member(prices[0])
    tell(make_change(prices))
    for deed in (agree, agree, refuse, refuse):
        deed(member.id, user_id=user_of(member), now=database_now())

    assert [one.kind for one in member.changes.order_by("id")] == ["price_agreed", "price_refused", "canceled"]


def test_consent_comes_too_late_when_the_time_is_over(prices: Prices) -> None:
    member = make_member(prices[0])
    tell(make_change(prices, kind="consent"))

    with pytest.raises(PriceChangeOver):
        agree(member.id, user_id=user_of(member), now=in_days(31))

    assert move_of(member).status == "waiting"
    assert not member.changes.exists()


def test_a_strangers_membership_is_not_there(prices: Prices) -> None:
    member, stranger = make_member(prices[0]), make_member(prices[0])
    tell(make_change(prices))

    for deed in (agree, refuse):
        with pytest.raises(NoPriceChange):
            deed(member.id, user_id=user_of(stranger), now=database_now())
    assert set(PriceMove.objects.values_list("status", flat=True)) == {"waiting"}


def test_the_clock_of_a_member_of_the_sandbox_counts(prices: Prices, settings: Any) -> None:
    settings.PAYCORE_SANDBOX_MODE = True
    member = make_member(prices[0])
    ahead = advance(subject=user_of(member), by=100 * DAY)
    tell(make_change(prices))

    assert (move_of(member).may_apply_from - ahead).days == 30
    assert price_at(member, 120) is None


# Who is touched


def test_a_dry_run_counts_who_is_touched_who_is_not_and_what_it_is_worth(prices: Prices) -> None:
    make_member(prices[0])
    make_member(prices[0], status="trialing")
    make_member(prices[0], cancel_at_period_end=True)
    make_member(prices[0], next_price=prices[1])
    make_member(prices[0], status="incomplete", period_started_at=None, period_ends_at=None)
    make_member(prices[0], status="ended", due_at=None, ended_at=database_now())
    make_member(prices[1])

    found = dry_run(make_change(prices))

    assert (found.members, dict(found.by_status)) == (2, {"active": 1, "trialing": 1})
    assert dict(found.exempt) == {"leaving": 1, "changing": 1, "not_started": 1, "ended": 1}
    assert found.yearly_difference == Money(2 * 300 * 12, "USD")
    assert not PriceMove.objects.exists()
    assert not Notification.objects.exists()


def test_the_yearly_difference_counts_intervals_and_paid_seats() -> None:
    prices = make_prices(old=9000, new=8000, interval="month", interval_count=5, seats=(2, 9), seat_amounts=(500, 600))
    make_member(prices[0], quantity=5)
    make_member(prices[0], quantity=1)

    found = dry_run(make_change(prices))

    assert found.seats == 3
    assert found.yearly_difference == Money(round((-1000 * 2 + 100 * 3) * 12 / 5), "USD")


def test_only_who_is_touched_is_told(prices: Prices) -> None:
    told = make_member(prices[0])
    make_member(prices[0], cancel_at_period_end=True)
    make_member(prices[0], next_price=prices[1])

    change = tell(make_change(prices))

    assert list(change.moves.values_list("subscription_id", flat=True)) == [told.id]
    assert (change.touched, change.told, progress_percent(change)) == (1, 1, 100)


def test_the_letter_names_both_amounts_the_day_and_the_way_to_answer() -> None:
    prices = make_prices(seats=(1, 5), seat_amounts=(500, 500))
    member = make_member(prices[0], quantity=3)
    tell(make_change(prices))

    letter = Notification.objects.get()

    assert (letter.template, letter.user_id) == ("price_change_notice", member.user_id)
    assert (letter.context["old_minor"], letter.context["new_minor"]) == (2999, 3299)
    assert letter.context["applies_at"] > in_days(30).isoformat()[:10]
    assert "/membership/price-change/pmv_" in letter.context["answer_url"]


def test_members_are_told_in_slices_and_once(prices: Prices, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("memberships.price_changes.telling.BATCH", 2)
    members = [make_member(prices[0]) for _number in range(5)]
    change = announce(make_change(prices).id, by_id=another_person())

    seen = []
    while change.written_at is None:
        change = advance_change(change.id, seconds=0)
        seen.append((change.told, progress_percent(change)))

    assert seen == [(2, 40), (4, 80), (5, 99), (5, 100)]
    assert change.moves.count() == Notification.objects.count() == len(members)


def test_a_worker_that_dies_is_followed_by_another(prices: Prices, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("memberships.price_changes.telling.BATCH", 1)
    for _number in range(3):
        make_member(prices[0])
    change = announce(make_change(prices).id, by_id=another_person())
    advance_change(change.id, seconds=0)
    monkeypatch.setattr("memberships.price_changes.telling.notify_many", lambda letters: 1 / 0)
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        advance_change(change.id)
    assert (change.moves.count(), Notification.objects.count()) == (1, 1)
    monkeypatch.undo()

    assert due_changes(limit=5) == [change.id]
    assert due_changes(limit=5) == []
    advance_change(change.id)

    assert (change.moves.count(), Notification.objects.count()) == (3, 3)


# How it ends


def test_an_applied_price_ends_the_change(prices: Prices) -> None:
    member = make_member(prices[0])
    change = tell(make_change(prices))
    assert change.status == "announced"

    note_applied([member.id])
    Subscription.objects.filter(id=member.id).update(price=prices[1])
    note_applied([member.id])

    move = move_of(member)
    assert (move.status, move.applied_at is not None) == ("applied", True)
    assert advance_change(change.id).status == "done"
    assert due_changes(limit=5) == []


def test_who_ended_or_chose_another_price_is_not_moved(prices: Prices) -> None:
    gone, changed = make_member(prices[0]), make_member(prices[0])
    change = tell(make_change(prices))
    with transaction.atomic():
        end_subscription(gone, Why("ended", "system", database_now()), end_reason="canceled")
    other = make_price(Plan.objects.get(), 100, interval="year")
    Subscription.objects.filter(id=changed.id).update(price=other)

    assert effective_prices([changed.id], moments={changed.id: in_days(60)}) == {}
    note_applied([changed.id])
    assert advance_change(change.id).status == "done"
    assert set(change.moves.values_list("status", flat=True)) == {"void"}


def test_silence_keeps_the_old_price_when_the_change_says_so(prices: Prices, settings: Any) -> None:
    settings.PAYCORE_SANDBOX_MODE = True
    silent, agreed = make_member(prices[0]), make_member(prices[0])
    change = tell(make_change(prices, kind="consent"))
    agree(agreed.id, user_id=user_of(agreed), now=database_now())
    advance(subject=user_of(silent), by=31 * DAY)

    assert advance_change(change.id).status == "announced"
    assert (move_of(silent).status, move_of(silent).refused_at) == ("refused", None)
    assert not Subscription.objects.get(id=silent.id).cancel_at_period_end

    note_applied([silent.id, agreed.id])
    assert move_of(silent).status == "refused"
    assert advance_change(change.id).status == "done"


def test_silence_ends_the_membership_when_the_change_says_so(prices: Prices, settings: Any) -> None:
    settings.PAYCORE_SANDBOX_MODE = True
    silent, refusing, patient = (make_member(prices[0]) for _number in range(3))
    change = tell(make_change(prices, kind="consent", unanswered="end"))
    refuse(refusing.id, user_id=user_of(refusing), now=database_now())
    for member in (silent, refusing):
        advance(subject=user_of(member), by=31 * DAY)

    for _time in range(2):
        assert advance_change(change.id).status == "announced"

    ending = Subscription.objects.filter(cancel_at_period_end=True).values_list("id", flat=True)
    assert set(ending) == {silent.id, refusing.id}
    assert move_of(patient).status == "waiting"
    assert [one.kind for one in silent.changes.all()] == ["canceled"]

    for member in (silent, refusing):
        agree(member.id, user_id=user_of(member), now=in_days(32))
        assert price_at(member, 33) == prices[1]
        assert not Subscription.objects.get(id=member.id).cancel_at_period_end


def test_a_withdrawn_change_moves_nobody_else(prices: Prices) -> None:
    waiting, applied = make_member(prices[0]), make_member(prices[0])
    change = tell(make_change(prices))
    note_applied([applied.id])

    for _time in range(2):
        withdraw(change.id)

    assert price_at(waiting, 60) is None
    assert (move_of(waiting).status, move_of(applied).status) == ("void", "applied")
    assert advance_change(change.id).status == "withdrawn"
    with pytest.raises(NoPriceChange):
        agree(waiting.id, user_id=user_of(waiting), now=database_now())


def test_the_task_takes_a_change_through(prices: Prices) -> None:
    member = make_member(prices[0])
    announce(make_change(prices).id, by_id=another_person())

    assert advance_price_changes() == 1
    assert advance_price_changes() == 0
    assert move_of(member).status == "waiting"


# What is refused


def test_who_wrote_a_change_does_not_announce_it(prices: Prices) -> None:
    make_member(prices[0])
    change = make_change(prices)

    with pytest.raises(PriceChangeIsYourOwn):
        announce(change.id, by_id=str(change.created_by_id))
    with pytest.raises(IntegrityError, match="price_change_second_person"), transaction.atomic():
        PriceChange.objects.update(
            status="announced", announced_by=change.created_by_id, announced_at=in_days(0), next_attempt_at=in_days(0)
        )
    change.refresh_from_db()
    assert (change.status, change.announced_at) == ("draft", None)
    assert advance_change(change.id).moves.count() == 0


def test_a_change_is_announced_once(prices: Prices) -> None:
    change = tell(make_change(prices))

    with pytest.raises(PriceChangeNotDraft):
        announce(change.id, by_id=another_person())
    with pytest.raises(NotFound):
        announce("pch_unknown", by_id=another_person())


def test_a_withdrawn_draft_is_never_announced(prices: Prices) -> None:
    make_member(prices[0])
    change = make_change(prices)
    withdraw(change.id)

    with pytest.raises(PriceChangeNotDraft):
        announce(change.id, by_id=another_person())
    assert not PriceMove.objects.exists()


def test_a_change_that_is_done_is_not_withdrawn(prices: Prices) -> None:
    change = tell(make_change(prices))
    assert change.status == "done"

    with pytest.raises(PriceChangeNotDraft):
        withdraw(change.id)


@pytest.mark.parametrize("days", [29, 366, 0])
def test_a_notice_is_thirty_days_at_least(prices: Prices, days: int) -> None:
    with pytest.raises(NoticeTooShort):
        make_change(prices, notice_days=days)
    assert not PriceChange.objects.exists()


def test_a_price_that_is_on_sale_moves_nobody(prices: Prices) -> None:
    with pytest.raises(PriceStillOnSale):
        make_change((prices[1], prices[0]))


@pytest.mark.parametrize("terms", [{"currency": "EUR"}, {"interval": "year"}, {"interval_count": 2}])
def test_a_change_leads_to_a_price_of_the_same_kind(prices: Prices, terms: dict[str, Any]) -> None:
    with pytest.raises(PricesDoNotFit):
        make_change((prices[0], make_price(prices[0].plan, 2299, **terms)))
    with pytest.raises(PricesDoNotFit):
        make_change((prices[0], prices[0]))
    assert not PriceChange.objects.exists()


def test_changes_of_one_price_do_not_overlap(prices: Prices) -> None:
    make_change(prices)
    archive_price(prices[1].id)
    newest = make_price(prices[0].plan, 2499)

    for old, new in ((prices[0], newest), (prices[1], newest)):
        with pytest.raises(PriceChangeOverlaps):
            make_change((old, new))
    assert PriceChange.objects.count() == 1


def test_after_the_first_change_a_second_one_may_follow(prices: Prices) -> None:
    tell(make_change(prices))
    archive_price(prices[1].id)
    newest = make_price(prices[0].plan, 2499)

    assert make_change((prices[1], newest)).status == "draft"


def test_the_terms_of_a_change_never_change(prices: Prices) -> None:
    change = make_change(prices)

    for field, value in (("kind", "consent"), ("notice_days", 90), ("unanswered", "end")):
        with pytest.raises(DatabaseError, match="Cannot update"), transaction.atomic():
            PriceChange.objects.filter(id=change.id).update(**{field: value})
    with pytest.raises(DatabaseError, match="Cannot delete"), transaction.atomic():
        change.delete()


def test_an_unknown_price_is_not_there(prices: Prices) -> None:
    author = User.objects.create_user(email="author@example.com")
    with pytest.raises(NotFound):
        create_change(Draft(prices[0].id, "pri_unknown", created_by_id=author.pk))


def test_a_price_that_another_one_replaced_is_not_restored(prices: Prices) -> None:
    with pytest.raises(Exception, match="another_price_on_sale"), transaction.atomic():
        restore_price(prices[0].id)
    assert not Price.objects.get(id=prices[0].id).is_active


def test_prices_of_a_whole_batch_are_found_in_one_query(prices: Prices, queries_made: list[str]) -> None:
    members = [make_member(prices[0]) for _number in range(20)]
    tell(make_change(prices))
    effective_prices([members[0].id], moments={members[0].id: in_days(60)})
    moments = {member.id: in_days(60) for member in members}
    queries_made.clear()

    found = effective_prices([*moments], moments=moments)

    assert len(queries_made) == 1
    assert found == dict.fromkeys(moments, prices[1])
    assert effective_prices([], moments={}) == {}


def test_a_price_that_is_on_sale_again_is_not_announced_away(prices: Prices) -> None:
    member, change = make_member(prices[0]), make_change(prices)
    archive_price(prices[1].id)
    restore_price(prices[0].id)
    other = another_person()
    with no_row_changes(), pytest.raises(PriceStillOnSale):
        announce(change.id, by_id=other)
    assert not member.price_moves.exists()
