"""Price changes under many hands: announced once, written once, told once, answered once."""

import pytest

from memberships.models import PriceChange, PriceMove, Subscription
from memberships.price_changes.announcing import Draft, advance_change, announce, create_change, withdraw
from memberships.price_changes.answering import agree, refuse
from memberships.price_changes.services import effective_prices, note_applied
from paycore.clock import database_now
from paycore.errors import PaycoreError
from paycore.models import Notification
from tests.memberships.price_stage import in_days, make_change, make_member, make_prices
from tests.merchants.factories import make_user
from tests.races.crew import Crew, Tally

pytestmark = [pytest.mark.races, pytest.mark.django_db(transaction=True)]
TRIALS = 15


def test_one_of_many_announces_and_everybody_is_told_once(crew: Crew, tally: Tally) -> None:
    prices, author = make_prices(), make_user(is_staff=True)
    others = [str(make_user(is_staff=True).pk) for _number in range(4)]
    members = [make_member(prices[0]) for _number in range(3)]

    def announce_and_tell(change_id: str, by_id: str) -> str:
        try:
            announce(change_id, by_id=by_id)
        finally:
            advance_change(change_id)
        return "announced"

    for _trial in range(TRIALS):
        change = make_change(prices, author=author)
        words = tally.note(
            crew.at_once(*[lambda who=who, c=change.id: announce_and_tell(c, who) for who in others])  # type: ignore[misc]  # bound now
        )
        assert sorted(words) == ["announced", *["price_change_not_draft"] * 3]
        assert change.moves.count() == len(members)
        told = Notification.objects.filter(key__in=[f"price_change:{move.id}" for move in change.moves.all()])
        assert told.count() == len(members)
        assert PriceChange.objects.get(id=change.id).told == len(members)
        withdraw(change.id)
    tally.assert_no_surprise()


def test_one_of_two_overlapping_changes_is_written(crew: Crew, tally: Tally) -> None:
    prices, author = make_prices(), str(make_user(is_staff=True).pk)
    draft = Draft(prices[0].id, prices[1].id, created_by_id=author)

    for _trial in range(TRIALS):
        words = tally.note(crew.at_once(*[lambda: create_change(draft).status.value] * 4))
        assert sorted(words) == ["draft", *["price_change_overlaps"] * 3]
        withdraw(PriceChange.objects.get(status="draft").id)
    tally.assert_no_surprise()


def test_an_answer_and_the_renewal_that_applies_the_price_never_contradict(crew: Crew, tally: Tally) -> None:
    prices = make_prices()

    def renew(member: Subscription) -> str:
        found = effective_prices([member.id], moments={member.id: in_days(31)})
        if found:
            note_applied([member.id])
        return "new price" if found else "old price"

    def answer(member: Subscription, deed: object) -> str:
        act = agree if deed == "agree" else refuse
        try:
            act(member.id, user_id=str(member.user_id), now=database_now())
        except PaycoreError as refusal:
            return refusal.code
        return "answered"

    for _trial in range(TRIALS):
        member = make_member(prices[0])
        change = make_change(prices)
        announce(change.id, by_id=str(make_user(is_staff=True).pk))
        advance_change(change.id)
        words = tally.note(
            crew.at_once(
                lambda m=member: renew(m),  # type: ignore[misc]  # bound now
                lambda m=member: answer(m, "agree"),  # type: ignore[misc]  # bound now
                lambda m=member: answer(m, "refuse"),  # type: ignore[misc]  # bound now
            )
        )
        move = PriceMove.objects.get(change=change, subscription=member)
        assert words[0] == "new price"
        assert move.status == "applied"
        assert set(words[1:]) <= {"answered", "price_change_not_found"}
        withdraw(change.id)
        Subscription.objects.filter(id=member.id).update(price=prices[1])
    tally.assert_no_surprise()
