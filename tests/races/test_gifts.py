"""Redeeming and taking seats, many at once: one code, one seat, one winner."""

from functools import partial

import pytest

from accounts.models import User
from memberships.gifts.errors import CodeNotValid
from memberships.gifts.redeeming import redeem
from memberships.gifts.services import GiftDraft, buy_gift, issue_gift, replace_code
from memberships.gifts.taking_back import take_back_gift
from memberships.invoices.paying import mark_paid
from memberships.models import Gift, Grant, Period, Price, RedeemCode, Redemption, Seat, Subscription
from memberships.seats.services import accept, invite
from memberships.subscriptions.seat_room import NoSeatLeft
from merchants.models import Merchant
from paycore.clock import database_now
from paycore.models import Notification
from tests.memberships.factories import make_catalogue, make_plan, make_price
from tests.memberships.members import make_member
from tests.races.crew import Crew

pytestmark = [pytest.mark.races, pytest.mark.django_db(transaction=True)]
CROWD = 32
TRIALS = 5


def people(count: int, *, prefix: str) -> list[User]:
    return [User.objects.create_user(email=f"{prefix}{number}@example.com") for number in range(count)]


def paid_gift(price: Price, buyer: User) -> tuple[Gift, str]:
    now = database_now()
    gift = buy_gift(GiftDraft(buyer=buyer, price_id=price.id), now=now)
    mark_paid(gift.invoice, now=now)
    issue_gift(gift.invoice, now=now)
    return replace_code(gift.id, buyer_id=buyer.id, now=now)


@pytest.fixture
def price(platform: Merchant) -> Price:
    return make_catalogue()


def test_of_thirty_two_people_with_one_code_one_has_it(price: Price, crew: Crew) -> None:
    crowd = people(CROWD, prefix="p")
    for _trial in range(TRIALS):
        gift, code = paid_gift(price, crowd[0])

        deeds = crew.at_once(*[partial(redeem, code, user=user, now=database_now()) for user in crowd])

        assert sum(deed.error is None for deed in deeds) == 1
        assert {type(deed.error) for deed in deeds if deed.error} == {CodeNotValid}
        assert Redemption.objects.filter(code__gift=gift).count() == 1
        assert RedeemCode.objects.get(gift=gift, voided_at=None).uses == 1
    assert Grant.objects.count() == TRIALS


def test_codes_redeemed_at_once_by_one_person_follow_each_other(price: Price, crew: Crew) -> None:
    (buyer, ben) = people(2, prefix="p")
    codes = [paid_gift(price, buyer)[1] for _number in range(8)]

    deeds = crew.at_once(*[partial(redeem, code, user=ben, now=database_now()) for code in codes])

    assert [deed.error for deed in deeds] == [None] * 8
    grants = list(Grant.objects.filter(user=ben).order_by("starts_at"))
    assert [grant.starts_at for grant in grants[1:]] == [grant.ends_at for grant in grants[:-1]]


def test_codes_redeemed_at_once_by_a_member_tile(price: Price, crew: Crew) -> None:
    (buyer, ben) = people(2, prefix="p")
    subscription = make_member(ben, price)
    codes = [paid_gift(price, buyer)[1] for _number in range(8)]

    deeds = crew.at_once(*[partial(redeem, code, user=ben, now=database_now()) for code in codes])

    assert [deed.error for deed in deeds] == [None] * 8
    periods = list(Period.objects.filter(subscription=subscription).order_by("number"))
    assert [period.starts_at for period in periods[1:]] == [period.ends_at for period in periods[:-1]]
    subscription.refresh_from_db()
    assert (subscription.period_number, subscription.period_ends_at) == (9, periods[-1].ends_at)


def test_redeeming_raced_with_the_money_going_back_leaves_nothing_given(price: Price, crew: Crew) -> None:
    (buyer, ben) = people(2, prefix="p")
    seen = set()
    for _trial in range(TRIALS * 4):
        gift, code = paid_gift(price, buyer)

        deeds = crew.at_once(
            partial(redeem, code, user=ben, now=database_now()),
            partial(take_back_gift, gift.invoice, now=database_now()),
        )

        assert deeds[1].error is None
        gift.refresh_from_db()
        seen.add(gift.status)
        assert (deeds[0].error is None) == (gift.status == "revoked")
        assert not Grant.objects.filter(user=ben, revoked_at=None).exists()
    assert seen <= {"void", "revoked"}


def test_the_last_seat_goes_to_one(platform: Merchant, crew: Crew) -> None:
    price = make_price(make_plan("premium", seats=(1, 9)))
    for trial in range(TRIALS):
        owner, *guests = people(5, prefix=f"t{trial}p")
        family = make_member(owner, price, quantity=5)
        tokens = []
        for guest in guests:
            seat = invite(family.id, owner=owner, email=guest.email or "", now=database_now())
            tokens.append(str(Notification.objects.get(key=f"seat_invitation:{seat.id}").context["token"]))
        Subscription.objects.filter(id=family.id).update(quantity=2)  # behind the services' back: one place is left

        deeds = crew.at_once(
            *[
                partial(accept, token=token, user=guest, now=database_now())
                for token, guest in zip(tokens, guests, strict=True)
            ]
        )

        assert sum(deed.error is None for deed in deeds) == 1
        assert {type(deed.error) for deed in deeds if deed.error} == {NoSeatLeft}
        assert Seat.objects.filter(subscription=family, status="active").count() == 1


def test_offers_at_once_keep_to_the_places(platform: Merchant, crew: Crew) -> None:
    price = make_price(make_plan("premium", seats=(1, 9)))
    (owner,) = people(1, prefix="o")
    family = make_member(owner, price, quantity=4)

    deeds = crew.at_once(
        *[
            partial(invite, family.id, owner=owner, email=f"g{number}@example.com", now=database_now())
            for number in range(12)
        ]
    )

    assert sum(deed.error is None for deed in deeds) == 3
    assert {type(deed.error) for deed in deeds if deed.error} == {NoSeatLeft}


def test_one_person_with_two_offers_takes_one(platform: Merchant, crew: Crew) -> None:
    price = make_price(make_plan("premium", seats=(1, 9)))
    first, second, guest = people(3, prefix="p")
    tokens = []
    for owner in (first, second):
        family = make_member(owner, price, quantity=2)
        seat = invite(family.id, owner=owner, email=guest.email or "", now=database_now())
        tokens.append(str(Notification.objects.get(key=f"seat_invitation:{seat.id}").context["token"]))

    deeds = crew.at_once(*[partial(accept, token=token, user=guest, now=database_now()) for token in tokens])

    assert sum(deed.error is None for deed in deeds) == 1
    assert Seat.objects.filter(user=guest, status="active").count() == 1
