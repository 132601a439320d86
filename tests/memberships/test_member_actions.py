"""What staff do to memberships: once, with a reason, with a second person where it matters."""

from datetime import timedelta
from functools import partial
from typing import Any

import pytest

from accounts.models import User
from memberships.actions import deeds, services
from memberships.actions.errors import (
    DecisionChanged,
    DecisionIsYourOwn,
    NobodyChosen,
    ReasonIsMissing,
    RiseNeedsPriceChange,
    TermsNotValid,
)
from memberships.actions.services import Wish, approve, ask, carry_on, due_actions, preview, reject, withdraw
from memberships.models import MemberAction, Period, Price, Subscription
from memberships.subscriptions.errors import AlreadyCanceled
from merchants.models import Merchant
from paycore.errors import NotFound
from tests.api.row_counts import no_row_changes
from tests.memberships.factories import make_catalogue, make_plan, make_price
from tests.memberships.members import grants_of, make_member, make_store_member
from tests.races.crew import crew_of

pytestmark = pytest.mark.django_db
BOSS, OTHER = "usr_boss", "usr_other"


@pytest.fixture
def price(platform: Merchant) -> Price:
    return make_catalogue()


@pytest.fixture
def members(price: Price) -> list[Subscription]:
    return [make_member(User.objects.create_user(email=f"m{number}@example.com"), price) for number in range(4)]


def wish(kind: str, *rows: Subscription, reason: str = "Outage", **terms: Any) -> Wish:
    return Wish(kind, reason, [row.id for row in rows], terms)


def run(action: MemberAction) -> MemberAction:
    while action.id in due_actions(limit=9):
        carry_on(action.id)
    action.refresh_from_db()
    return action


def test_one_member_is_extended_at_once_and_the_history_says_by_whom_and_why(members: list[Subscription]) -> None:
    member = members[0]
    was = member.period_ends_at

    action = ask(wish("extend", member, days=7), by=BOSS)

    action.refresh_from_db()
    member.refresh_from_db()
    assert (action.status, action.done, action.refused) == ("done", 1, 0)
    assert was is not None
    assert member.period_ends_at == was + timedelta(days=7)
    change = member.changes.get()
    assert (change.kind, change.by, change.reason, change.details["deed"]) == ("extended", BOSS, "Outage", action.id)


def test_who_has_no_running_period_is_extended_by_a_grant(price: Price) -> None:
    user = User.objects.create_user(email="late@example.com")
    member = make_member(user, price, status="past_due")
    ask(wish("extend", member, days=3), by=BOSS)
    (grant,) = grants_of(user)
    assert (grant.source, grant.granted_by, grant.reason) == ("staff", BOSS, "Outage")
    assert grant.ends_at - grant.starts_at == timedelta(days=3)


def test_a_refusal_leaves_nothing_behind(members: list[Subscription]) -> None:
    ask(wish("cancel_at_end", members[0]), by=BOSS)
    with no_row_changes(), pytest.raises(AlreadyCanceled):
        ask(wish("cancel_at_end", members[0]), by=BOSS)


@pytest.mark.parametrize(
    ("kind", "terms"),
    [
        ("extend", {}),
        ("extend", {"days": 0}),
        ("extend", {"days": 367}),
        ("extend", {"days": True}),
        ("cancel_now", {"policy": "everything"}),
        ("move_to_price", {}),
        ("refund", {"payment": "pay_x", "amount_minor": -1}),
    ],
)
def test_terms_that_make_no_sense_are_refused(members: list[Subscription], kind: str, terms: dict[str, Any]) -> None:
    with no_row_changes(), pytest.raises(TermsNotValid):
        ask(wish(kind, members[0], **terms), by=BOSS)


def test_a_reason_and_somebody_are_needed(members: list[Subscription]) -> None:
    with no_row_changes(), pytest.raises(ReasonIsMissing):
        ask(wish("extend", members[0], reason="  ", days=1), by=BOSS)
    with no_row_changes(), pytest.raises(NobodyChosen):
        ask(wish("extend", days=1), by=BOSS)
    with no_row_changes(), pytest.raises(NobodyChosen):
        ask(wish("cancel_now", *members, policy="none"), by=BOSS)


def test_a_preview_counts_people_and_money_and_changes_nothing(members: list[Subscription]) -> None:
    with no_row_changes():
        looked = preview(wish("extend", *members, days=30))
    assert (looked.count, dict(looked.amounts), looked.needs_second_person) == (4, {"USD": 4 * 1999}, False)


def test_many_are_done_in_the_background_and_each_once(members: list[Subscription], price: Price) -> None:
    ends = {member.id: member.period_ends_at for member in members}
    store = make_store_member(User.objects.create_user(email="apple@example.com"), price)

    action = ask(wish("extend", *members, store, days=2), by=BOSS)
    assert action.status == "running"
    action = run(action)
    carry_on(action.id)

    assert (action.status, action.done, action.refused) == ("done", 4, 1)
    for member in members:
        member.refresh_from_db()
        was = ends[member.id]
        assert was is not None
        assert member.period_ends_at == was + timedelta(days=2)
    (refused,) = action.items.filter(status="refused")
    assert refused.subscription_id == store.id
    assert refused.note == "This membership was bought in a store and is changed there."


def test_a_worker_that_dies_in_the_middle_is_taken_over(
    members: list[Subscription], monkeypatch: pytest.MonkeyPatch
) -> None:
    action = ask(wish("extend", *members, days=2), by=BOSS)
    calls: list[Any] = []

    def dies(*arguments: Any) -> str:
        calls.append(arguments)
        note = deeds.perform(*arguments)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return note

    monkeypatch.setattr(services, "perform", dies)
    with pytest.raises(KeyboardInterrupt):
        carry_on(action.id)
    monkeypatch.setattr(services, "perform", deeds.perform)
    carry_on(action.id)

    action.refresh_from_db()
    assert (action.status, action.done) == ("done", 4)
    assert Period.objects.filter(kind="bonus").count() == 4


def test_above_the_money_limit_another_person_must_agree(members: list[Subscription], settings: Any) -> None:
    settings.PAYCORE_MEMBERSHIP_SECOND_PERSON_ABOVE_MINOR = 100
    action = ask(wish("extend", members[0], days=30), by=BOSS)
    assert (action.status, due_actions(limit=9)) == ("waiting", [])
    assert Period.objects.filter(kind="bonus").count() == 0

    with no_row_changes():
        with pytest.raises(DecisionIsYourOwn):
            approve(action.id, fingerprint=action.fingerprint, approved_by=BOSS)
        with pytest.raises(DecisionIsYourOwn):
            reject(action.id, rejected_by=BOSS)
        with pytest.raises(DecisionChanged):
            approve(action.id, fingerprint="0" * 64, approved_by=OTHER)
        with pytest.raises(NotFound):
            withdraw(action.id, withdrawn_by=OTHER)
    approve(action.id, fingerprint=action.fingerprint, approved_by=OTHER)
    with no_row_changes(), pytest.raises(DecisionChanged):
        approve(action.id, fingerprint=action.fingerprint, approved_by=OTHER)

    action = run(action)
    assert (action.status, action.done, action.decided_by) == ("done", 1, OTHER)


def test_above_the_number_of_members_another_person_must_agree(members: list[Subscription], settings: Any) -> None:
    settings.PAYCORE_BULK_SECOND_PERSON_ABOVE = 3
    action = ask(wish("cancel_at_end", *members), by=BOSS)
    assert action.status == "waiting"
    assert reject(action.id, rejected_by=OTHER).status == "rejected"
    assert not Subscription.objects.filter(cancel_at_period_end=True).exists()


def test_a_price_is_planned_for_everybody_and_the_money_of_a_period_is_shown(
    members: list[Subscription], price: Price
) -> None:
    platinum = Price.objects.get(plan__code="platinum")
    assert dict(preview(wish("move_to_price", *members, price=platinum.id)).amounts) == {"USD": 4 * 3000}
    action = run(ask(wish("move_to_price", *members[:2], price=platinum.id), by=BOSS))
    assert action.done == 2
    assert Subscription.objects.filter(next_price=platinum).count() == 2


def test_staff_do_not_raise_a_price_past_consent_and_notice(members: list[Subscription], price: Price) -> None:
    dearer = make_price(price.plan, 2099, is_active=False)
    Price.objects.filter(id=price.id).update(is_active=False)
    Price.objects.filter(id=dearer.id).update(is_active=True)
    with no_row_changes(), pytest.raises(RiseNeedsPriceChange):
        ask(wish("move_to_price", members[0], price=dearer.id), by=BOSS)
    action = run(ask(wish("move_to_price", *members, price=dearer.id), by=BOSS))
    assert (action.done, action.refused) == (0, 4)
    assert not Subscription.objects.filter(next_price=dearer).exists()


def test_seats_count_in_what_a_deed_is_worth(members: list[Subscription]) -> None:
    plan = make_plan("family", tier="premium", seats=(2, 9))
    family, larger = (
        make_price(plan, 3000, seat_amount_minor=1000, is_active=False),
        make_price(plan, 3500, seat_amount_minor=1500),
    )
    member = make_member(User.objects.create_user(email="five@example.com"), family, quantity=5)
    assert dict(preview(wish("extend", member, days=30)).amounts) == {"USD": 3000 + 3 * 1000}
    assert dict(preview(wish("move_to_price", member, price=larger.id)).amounts) == {"USD": 500 + 3 * 500}
    assert dict(preview(wish("move_to_price", member, price=family.id, quantity=9)).amounts) == {"USD": 4 * 1000}


def test_staff_pause_and_cancel_now_as_a_member_would(members: list[Subscription]) -> None:
    ask(wish("pause", members[0]), by=BOSS)
    ask(wish("cancel_now", members[1], policy="none"), by=BOSS)
    for member in members:
        member.refresh_from_db()
    assert [member.status for member in members] == ["paused", "ended", "active", "active"]


@pytest.mark.django_db(transaction=True)
@pytest.mark.races
def test_two_workers_on_one_deed_extend_nobody_twice(members: list[Subscription]) -> None:
    action = ask(wish("extend", *members, days=2), by=BOSS)
    with crew_of(4) as crew:
        deeds = crew.at_once(*[partial(carry_on, action.id) for _worker in range(4)])
    assert [deed.error for deed in deeds] == [None] * 4
    carry_on(action.id)
    action.refresh_from_db()
    assert (action.status, action.done) == ("done", 4)
    assert Period.objects.filter(kind="bonus").count() == 4
