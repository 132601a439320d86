"""Seats: offered by mail, taken by the invited person, bounded by what was bought, and gone at once when removed."""

from datetime import timedelta
from typing import Any

import pytest

from accounts.models import User
from memberships.models import Period, PlanVersion, Price, Seat, Subscription
from memberships.seats.errors import (
    AlreadyHasSeat,
    InvitationNotValid,
    NothingToConfirm,
    NotLive,
    OwnerNeedsNoSeat,
    TooManySeatInvitations,
)
from memberships.seats.services import accept, confirm, forget_seats, invite, leave, remove
from memberships.subscriptions.seat_room import NoSeatLeft, SeatsInUse, require_room, room
from merchants.models import Merchant
from paycore.clock import database_now
from paycore.errors import NotFound
from paycore.models import EventRecord, Notification
from paycore.notifications.rendering import render
from tests.actors import AppUser
from tests.api.row_counts import no_row_changes
from tests.memberships.factories import make_plan, make_price
from tests.memberships.members import make_member

pytestmark = pytest.mark.django_db


@pytest.fixture
def price(platform: Merchant) -> Price:
    return make_price(make_plan("premium", seats=(1, 6)))


@pytest.fixture
def ada() -> User:
    return User.objects.create_user(email="ada@example.com", name="Ada")


@pytest.fixture
def ben() -> User:
    return User.objects.create_user(email="ben@example.com", name="Ben")


@pytest.fixture
def family(ada: User, price: Price) -> Subscription:
    """Ada's, with three places: hers and two more."""
    return make_member(ada, price, quantity=3)


def offer(family: Subscription, email: str) -> tuple[Seat, str]:
    """A seat and the token that was mailed."""
    seat = invite(family.id, owner=family.user, email=email, now=database_now())
    return seat, str(Notification.objects.get(key=f"seat_invitation:{seat.id}").context["token"])


def seated(family: Subscription, person: User) -> Seat:
    _seat, token = offer(family, person.email or "")
    return accept(token=token, user=person, now=database_now())


def test_the_invited_person_takes_the_seat_and_everybody_concerned_is_told(
    family: Subscription, ada: User, ben: User
) -> None:
    seat, token = offer(family, "Ben@Example.com")
    assert (seat.status, seat.user, seat.email) == ("invited", None, "ben@example.com")

    taken = accept(token=token, user=ben, now=database_now())

    assert (taken.id, taken.status, taken.user_id) == (seat.id, "active", ben.id)
    told = EventRecord.objects.filter(name="membership.changed").order_by("id")
    assert [(event.payload["user_id"], event.payload["why"]) for event in told] == [
        (ada.id, "seat_offered"),
        (ada.id, "seat_taken"),
        (ben.id, "seat_taken"),
    ]
    assert "ben@example.com" not in str([event.payload for event in told])
    assert list(family.changes.order_by("id").values_list("kind", "by")) == [
        ("seat_offered", ada.id),
        ("seat_taken", ben.id),
    ]


def test_the_invitation_is_mailed_in_words_and_with_the_code(family: Subscription) -> None:
    _seat, token = offer(family, "ben@example.com")
    row = Notification.objects.get(template="seat_invitation")
    message = render("seat_invitation", context=row.context, language="en")
    assert row.email == "ben@example.com"
    assert message.subject == "Ada shares a Premium membership with you"
    assert token in message.text
    assert token in message.html


@pytest.mark.parametrize("name", ["Win at evil.com", "https://evil.example", "www.evil.example", "t.ly/win now"])
def test_a_name_that_is_an_address_goes_to_no_stranger(family: Subscription, ada: User, ben: User, name: str) -> None:
    User.objects.all().update(name=name)
    family.refresh_from_db()
    _seat, token = offer(family, "cleo@example.com")
    accept(token=token, user=User.objects.get(id=ben.id), now=database_now())
    for sent in Notification.objects.filter(template__in=["seat_invitation", "seat_claimed"]):
        assert name not in "".join(map(str, sent.context.values()))
    assert Notification.objects.count() == 2


def test_taking_it_again_answers_the_same_seat_and_changes_nothing(family: Subscription, ben: User) -> None:
    _seat, token = offer(family, "ben@example.com")
    first = accept(token=token, user=ben, now=database_now())
    with no_row_changes():
        assert accept(token=token, user=ben, now=database_now()) == first


def test_no_more_people_than_places(family: Subscription, ben: User) -> None:
    seated(family, ben)
    offer(family, "cleo@example.com")
    assert room(family) == 3
    with no_row_changes(), pytest.raises(NoSeatLeft):
        invite(family.id, owner=family.user, email="dan@example.com", now=database_now())


def test_an_invitation_that_nobody_took_frees_its_place_after_a_week(family: Subscription, ben: User) -> None:
    _seat, token = offer(family, "ben@example.com")
    offer(family, "cleo@example.com")
    in_a_week = database_now() + timedelta(days=7, seconds=1)

    with no_row_changes(), pytest.raises(InvitationNotValid):
        accept(token=token, user=ben, now=in_a_week)
    assert invite(family.id, owner=family.user, email="dan@example.com", now=in_a_week).status == "invited"


def test_a_second_invitation_of_one_address_ends_the_first(family: Subscription, ben: User) -> None:
    first, token = offer(family, "ben@example.com")
    second, new_token = offer(family, "ben@example.com")

    first.refresh_from_db()
    assert (first.status, first.email) == ("removed", "")
    with pytest.raises(InvitationNotValid):
        accept(token=token, user=ben, now=database_now())
    assert accept(token=new_token, user=ben, now=database_now()).id == second.id


def test_somebody_with_another_address_waits_for_the_owners_yes(family: Subscription, ada: User, ben: User) -> None:
    seat, token = offer(family, "benjamin@example.com")

    claimed = accept(token=token, user=ben, now=database_now())

    assert (claimed.status, claimed.user_id) == ("claimed", ben.id)
    assert Notification.objects.get(key=f"seat_claimed:{seat.id}").user_id == ada.id
    cleo = User.objects.create_user(email="cleo@example.com")
    with no_row_changes(), pytest.raises(InvitationNotValid):
        accept(token=token, user=cleo, now=database_now())
    with no_row_changes(), pytest.raises(NotFound):
        confirm(seat.id, subscription_id=family.id, owner_id=ben.id, now=database_now())

    assert confirm(seat.id, subscription_id=family.id, owner_id=ada.id, now=database_now()).status == "active"
    with no_row_changes(), pytest.raises(NothingToConfirm):
        confirm(seat.id, subscription_id=family.id, owner_id=ada.id, now=database_now())


def test_a_person_has_one_seat_in_the_house(family: Subscription, price: Price, ben: User) -> None:
    seated(family, ben)
    other = make_member(User.objects.create_user(email="eve@example.com"), price, quantity=2)
    seat, token = offer(other, "ben@example.com")

    with no_row_changes(), pytest.raises(AlreadyHasSeat):
        accept(token=token, user=ben, now=database_now())

    Subscription.objects.filter(id=family.id).update(status="ended", due_at=None, ended_at=database_now())
    assert accept(token=token, user=ben, now=database_now()).id == seat.id
    assert Seat.objects.filter(user=ben, status="active").count() == 1


def test_a_member_with_an_own_membership_may_have_a_seat_as_well(family: Subscription, price: Price, ben: User) -> None:
    own = make_member(ben, price)
    assert seated(family, ben).status == "active"
    own.refresh_from_db()
    assert own.status == "active"


def test_the_owner_needs_no_seat(family: Subscription, ada: User) -> None:
    with no_row_changes(), pytest.raises(OwnerNeedsNoSeat):
        invite(family.id, owner=ada, email="ADA@example.com", now=database_now())
    _seat, token = offer(family, "ada.two@example.com")
    with no_row_changes(), pytest.raises(OwnerNeedsNoSeat):
        accept(token=token, user=ada, now=database_now())


def test_a_removed_member_is_out_at_once_and_the_place_is_free(family: Subscription, ada: User, ben: User) -> None:
    seat = seated(family, ben)

    remove(seat.id, subscription_id=family.id, owner_id=ada.id, now=database_now())
    with no_row_changes():
        remove(seat.id, subscription_id=family.id, owner_id=ada.id, now=database_now())

    seat.refresh_from_db()
    assert (seat.status, seat.removed_by, seat.email) == ("removed", ada.id, "")
    told = EventRecord.objects.filter(name="membership.changed").order_by("-id")[0]
    assert (told.payload["user_id"], told.payload["why"]) == (ben.id, "seat_removed")
    offer(family, "cleo@example.com")
    offer(family, "dan@example.com")


def test_a_member_leaves(family: Subscription, ben: User) -> None:
    seat = seated(family, ben)
    assert leave(user_id=ben.id, now=database_now()).id == seat.id
    with no_row_changes(), pytest.raises(NotFound):
        leave(user_id=ben.id, now=database_now())


def test_only_its_owner_has_anything_to_say_about_a_subscription(family: Subscription, ben: User) -> None:
    seat, _token = offer(family, "cleo@example.com")
    now = database_now()
    with no_row_changes():
        with pytest.raises(NotFound):
            invite(family.id, owner=ben, email="x@example.com", now=now)
        with pytest.raises(NotFound):
            remove(seat.id, subscription_id=family.id, owner_id=ben.id, now=now)


@pytest.mark.parametrize("status", ["incomplete", "ended"])
def test_a_subscription_that_does_not_live_has_no_seats_to_offer(ada: User, price: Price, status: str) -> None:
    subscription = make_member(ada, price, quantity=3, status=status)
    with no_row_changes(), pytest.raises(NotLive):
        invite(subscription.id, owner=ada, email="ben@example.com", now=database_now())


@pytest.mark.parametrize("token", ["", "x", "x" * 129, "\x00"])
def test_a_made_up_token_is_not_valid(ben: User, token: str) -> None:
    with no_row_changes(), pytest.raises(InvitationNotValid):
        accept(token=token, user=ben, now=database_now())


def test_seats_that_the_plan_contains_need_no_quantity(ada: User, platform: Merchant) -> None:
    price = make_price(make_plan("platinum", seats=(4, 4)))
    subscription = make_member(ada, price)
    assert (subscription.quantity, room(subscription)) == (1, 4)


def test_who_bought_a_plan_with_more_seats_keeps_them(ada: User, platform: Merchant) -> None:
    price = make_price(make_plan("platinum", seats=(4, 4)))
    subscription = make_member(ada, price)
    PlanVersion.objects.create(plan=price.plan, number=2, seats_included=2, seats_most=2)
    assert Period.objects.get(subscription=subscription).plan_version.number == 1
    assert room(subscription) == 4


def test_a_lower_quantity_is_refused_while_the_seats_are_taken_and_says_which(family: Subscription, ben: User) -> None:
    seat = seated(family, ben)
    waiting, _token = offer(family, "cleo@example.com")
    now = database_now()

    with pytest.raises(SeatsInUse) as refusal:
        require_room(family, quantity=2, included=1, now=now)
    assert refusal.value.extra["seats"] == [seat.id, waiting.id]
    require_room(family, quantity=3, included=1, now=now)
    require_room(family, quantity=1, included=3, now=now)


def test_fewer_places_with_the_next_period_count_now(family: Subscription, ben: User) -> None:
    seated(family, ben)
    Subscription.objects.filter(id=family.id).update(next_quantity=2)
    with no_row_changes(), pytest.raises(NoSeatLeft):
        invite(family.id, owner=family.user, email="cleo@example.com", now=database_now())


def test_the_mails_of_a_day_are_bounded(family: Subscription, ada: User) -> None:
    for number in range(50):
        seat = invite(family.id, owner=ada, email=f"p{number}@example.com", now=database_now())
        remove(seat.id, subscription_id=family.id, owner_id=ada.id, now=database_now())
    with no_row_changes(), pytest.raises(TooManySeatInvitations):
        invite(family.id, owner=ada, email="one@example.com", now=database_now())


def test_an_erased_person_leaves_seats_and_addresses(family: Subscription, ben: User) -> None:
    seat = seated(family, ben)
    other, _token = offer(family, "ben.two@example.com")
    User.objects.filter(id=ben.id).update(email="ben.two@example.com")
    ben.refresh_from_db()

    forget_seats(ben, now=database_now())

    for one in (seat, other):
        one.refresh_from_db()
        assert (one.status, one.email, bytes(one.email_index)) == ("removed", "", b"")


def test_an_erased_owner_leaves_nobodys_address(family: Subscription, ada: User, ben: User) -> None:
    taken = seated(family, ben)
    offered, token = offer(family, "cleo@example.com")

    forget_seats(ada, now=database_now())

    for seat in (taken, offered):
        seat.refresh_from_db()
        assert (seat.email, bytes(seat.email_index)) == ("", b"")
    assert (taken.status, offered.status) == ("active", "removed")
    with pytest.raises(InvitationNotValid):
        accept(token=token, user=ben, now=database_now())


class TestApi:
    @pytest.fixture
    def owner(self, app_user: AppUser, price: Price) -> AppUser:
        make_member(app_user.user, price, quantity=2)
        return app_user

    @pytest.fixture
    def path(self, owner: AppUser) -> str:
        return f"/subscriptions/{Subscription.objects.get(user=owner.user).id}/seats"

    def test_offer_list_take_and_remove(self, owner: AppUser, path: str) -> None:
        offered = owner.post(path, {"email": "ben@example.com"})
        assert offered.status_code == 201, offered.content
        assert "email" not in offered.json()
        seat = Seat.objects.get()
        token = Notification.objects.get(key=f"seat_invitation:{seat.id}").context["token"]
        listed = owner.get(path).json()
        assert (listed["seats"], listed["taken"], listed["owner"]["role"]) == (2, 2, "owner")
        assert [row["email"] for row in listed["data"]] == ["ben@example.com"]
        assert owner.post(path, {"email": "cleo@example.com"}).json()["code"] == "no_seat_left"

        ben = AppUser.signed_in("ben@example.com")
        taken = ben.post("/seats/accept", {"token": token})
        assert (taken.status_code, taken.json()["status"]) == (200, "active")
        assert ben.get(path).status_code == 404

        gone = self._delete(owner, f"{path}/{seat.id}")
        assert gone.status_code == 204
        assert owner.get(path).json()["data"] == []
        assert owner.get(path, status="removed").json()["data"][0]["id"] == seat.id
        assert ben.post("/seats/leave").status_code == 404

    def test_a_repeat_with_the_same_key_offers_one_seat(self, owner: AppUser, path: str) -> None:
        answers = [owner.post(path, {"email": "ben@example.com"}, key="one") for _time in range(2)]
        assert answers[0].content == answers[1].content
        assert Seat.objects.count() == 1

    @pytest.mark.parametrize("body", [{}, {"email": "ben"}, {"email": 1}, {"email": "b@example.com", "role": "owner"}])
    def test_bad_input_is_refused(self, owner: AppUser, path: str, body: Any) -> None:
        assert owner.post(path, body).status_code == 400
        assert Seat.objects.count() == 0

    def test_a_stranger_confirms_nothing(self, owner: AppUser, path: str) -> None:
        owner.post(path, {"email": "ben@example.com"})
        eve = AppUser.signed_in("eve@example.com")
        assert eve.post(f"{path}/{Seat.objects.get().id}/confirm").status_code == 404
        assert owner.post(f"{path}/{Seat.objects.get().id}/confirm").json()["code"] == "nothing_to_confirm"

    @staticmethod
    def _delete(caller: AppUser, path: str) -> Any:
        return caller.client.delete(f"/api/v1{path}", headers={"Authorization": f"Bearer {caller.secret}"})
