"""Gifts: bought, paid, sent, redeemed once, and taken back with their money."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from accounts.models import User
from memberships.gifts import services
from memberships.gifts.codes import ALPHABET, LENGTH, digest_of, new_code
from memberships.gifts.errors import CodeNotValid, DeliveryNotPossible, FreePlanIsNoGift, GiftNotReady
from memberships.gifts.redeeming import redeem
from memberships.gifts.services import GiftDraft, buy_gift, deliver, due_gifts, forget_unpaid, issue_gift, replace_code
from memberships.gifts.taking_back import take_back_gift
from memberships.invoices.paying import mark_paid
from memberships.models import (
    Gift,
    Grant,
    Period,
    Plan,
    Price,
    RedeemCode,
    Redemption,
    RevenueSchedule,
    Subscription,
    SubscriptionChange,
)
from memberships.settling import settle_order, take_back
from memberships.subscriptions.errors import PriceNotForSale, RenewalUnderWay, SoldElsewhere
from merchants.models import Merchant
from paycore.clock import database_now
from paycore.errors import NotFound
from paycore.models import EventRecord, Notification
from payments.orders.models import Order
from tests.api.row_counts import no_row_changes
from tests.memberships.factories import make_catalogue
from tests.memberships.members import grants_of, make_member, make_store_member

pytestmark = pytest.mark.django_db


@pytest.fixture
def price(platform: Merchant) -> Price:
    return make_catalogue()


@pytest.fixture
def ada() -> User:
    return User.objects.create_user(email="ada@example.com", name="Ada")


@pytest.fixture
def ben() -> User:
    return User.objects.create_user(email="ben@example.com", name="Ben")


def paid_gift(buyer: User, price: Price, **more: Any) -> tuple[Gift, str]:
    """A gift whose code came by mail: (gift, code)."""
    now = database_now()
    gift = buy_gift(GiftDraft(buyer=buyer, price_id=price.id, **more), now=now)
    pay(gift, now=now)
    return gift, str(Notification.objects.get(key=f"gift_code:{gift.id}").context["code"])


def pay(gift: Gift, *, now: datetime) -> None:
    mark_paid(gift.invoice, now=now)
    issue_gift(gift.invoice, now=now)
    gift.refresh_from_db()


def test_a_gift_waits_for_its_money_and_has_no_code_until_then(price: Price, ada: User) -> None:
    gift = buy_gift(GiftDraft(buyer=ada, price_id=price.id, recipient_email="Ben@Example.com"), now=database_now())

    assert gift.status == "open"
    assert gift.invoice.order is not None
    assert (gift.invoice.order.amount_minor, gift.invoice.order.user_id) == (1999, ada.id)
    assert gift.recipient_email == "ben@example.com"
    assert RedeemCode.objects.count() == 0
    assert Notification.objects.count() == 0


def test_a_paid_gift_is_mailed_to_the_recipient_and_its_buyer_is_told_without_the_code(price: Price, ada: User) -> None:
    gift, code = paid_gift(ada, price, recipient_email="ben@example.com", message="Enjoy!")

    mail = Notification.objects.get(template="gift_received")
    assert mail.email == "ben@example.com"
    assert mail.context["message"] == "Enjoy!"
    assert code not in str(Notification.objects.get(template="gift_sent").context)
    assert gift.delivered_at is not None
    stored = RedeemCode.objects.get()
    assert (stored.last_four, bytes(stored.digest)) == (code[-4:], digest_of(code))


def test_being_told_twice_of_the_payment_makes_one_code(price: Price, ada: User) -> None:
    gift, _code = paid_gift(ada, price)
    before = RedeemCode.objects.get()

    issue_gift(gift.invoice, now=database_now())

    assert RedeemCode.objects.get() == before
    assert Notification.objects.filter(template="gift_code").count() == 1


def test_a_gift_for_later_is_sent_then(price: Price, ada: User) -> None:
    now = database_now()
    later = now + timedelta(days=3)
    gift = buy_gift(GiftDraft(buyer=ada, price_id=price.id, deliver_at=later), now=now)
    pay(gift, now=now)

    assert (gift.status, gift.delivered_at) == ("ready", None)
    assert gift.next_attempt_at is not None
    assert abs(gift.next_attempt_at - later) < timedelta(seconds=5)
    assert due_gifts(limit=9) == []
    assert Notification.objects.filter(template="gift_code").count() == 0

    Gift.objects.filter(id=gift.id).update(next_attempt_at=now)
    assert due_gifts(limit=9) == [gift.id]
    deliver(gift.id)
    deliver(gift.id)

    gift.refresh_from_db()
    assert gift.delivered_at is not None
    assert RedeemCode.objects.count() == Notification.objects.filter(template="gift_code").count() == 1
    assert due_gifts(limit=9) == []


@pytest.mark.parametrize("wait", [timedelta(days=-1), timedelta(days=367)])
def test_delivery_in_the_past_or_after_a_year_is_refused(price: Price, ada: User, wait: timedelta) -> None:
    now = database_now()
    with no_row_changes(), pytest.raises(DeliveryNotPossible):
        buy_gift(GiftDraft(buyer=ada, price_id=price.id, deliver_at=now + wait), now=now)


def test_what_is_not_sold_or_free_cannot_be_given(price: Price, ada: User) -> None:
    free = Price.objects.create(plan=Plan.objects.get(code="free"), currency="USD", amount_minor=1)
    with no_row_changes(), pytest.raises(FreePlanIsNoGift):
        buy_gift(GiftDraft(buyer=ada, price_id=free.id), now=database_now())
    Price.objects.filter(id=price.id).update(is_active=False)
    with no_row_changes(), pytest.raises(PriceNotForSale):
        buy_gift(GiftDraft(buyer=ada, price_id=price.id), now=database_now())


def test_a_code_gives_a_month_from_now_to_somebody_without_membership(price: Price, ada: User, ben: User) -> None:
    gift, code = paid_gift(ada, price)
    now = datetime(2027, 1, 31, 12, tzinfo=UTC)

    redemption = redeem(code, user=ben, now=now)

    (grant,) = grants_of(ben)
    assert (grant.starts_at, grant.ends_at) == (now, datetime(2027, 2, 28, 12, tzinfo=UTC))
    assert (grant.source, grant.granted_by, grant.plan_id) == ("gift", redemption.id, price.plan_id)
    gift.refresh_from_db()
    assert gift.status == "redeemed"
    news = EventRecord.objects.filter(name="membership.changed").latest("id")
    assert (news.payload["subject_id"], news.payload["user_id"], news.payload["why"]) == (grant.id, ben.id, "granted")


def test_the_money_of_a_gift_is_earned_over_the_time_that_it_gives(price: Price, ada: User, ben: User) -> None:
    gift, code = paid_gift(ada, price)
    held = RevenueSchedule.objects.get(invoice=gift.invoice)
    assert (held.is_held, held.next_at, held.total_minor) == (True, None, 1999)

    redeem(code, user=ben, now=database_now())

    row, (grant,) = RevenueSchedule.objects.get(invoice=gift.invoice), grants_of(ben)
    assert (row.is_held, row.base_at, row.ends_at) == (False, grant.starts_at, grant.ends_at)
    assert row.next_at is not None


def test_two_codes_of_one_plan_give_two_months_in_a_row(price: Price, ada: User, ben: User) -> None:
    _first, one = paid_gift(ada, price)
    _second, two = paid_gift(ada, price)
    now = database_now()

    redeem(one, user=ben, now=now)
    redeem(two, user=ben, now=now)

    first, second = grants_of(ben)
    assert (first.starts_at, second.starts_at) == (now, first.ends_at)
    assert second.ends_at > first.ends_at + timedelta(days=27)


def test_a_member_of_the_plan_gets_the_time_behind_what_is_paid_and_renews_later(
    price: Price, ada: User, ben: User
) -> None:
    _gift, code = paid_gift(ada, price)
    started = datetime(2027, 1, 31, 9, tzinfo=UTC)
    subscription = make_member(ben, price, started=started)
    now = started + timedelta(days=3)

    redemption = redeem(code, user=ben, now=now)

    subscription.refresh_from_db()
    first, bonus = Period.objects.filter(subscription=subscription).order_by("number")
    assert (bonus.kind, bonus.status, bonus.price, bonus.starts_at) == ("bonus", "paid", None, first.ends_at)
    assert bonus.ends_at == datetime(2027, 3, 28, 9, tzinfo=UTC)
    assert subscription.period_ends_at == subscription.anchor_at == subscription.due_at == bonus.ends_at
    assert (subscription.period_number, subscription.period_started_at) == (2, started)
    assert redemption.anchor_before_at == started
    assert grants_of(ben) == []
    change = SubscriptionChange.objects.get(subscription=subscription)
    assert (change.kind, change.by, change.details["period"]) == ("redeemed", ben.id, bonus.id)


def test_a_trial_becomes_longer(price: Price, ada: User, ben: User) -> None:
    _gift, code = paid_gift(ada, price)
    now = database_now()
    ends_at = now + timedelta(days=4)
    subscription = make_member(ben, price, started=now - timedelta(days=27), status="trialing")
    Subscription.objects.filter(id=subscription.id).update(trial_ends_at=ends_at)

    redeem(code, user=ben, now=now)

    subscription.refresh_from_db()
    assert subscription.status == "trialing"
    assert subscription.trial_ends_at == subscription.period_ends_at == subscription.due_at
    assert subscription.trial_ends_at is not None
    assert subscription.trial_ends_at > ends_at + timedelta(days=20)


def test_a_canceled_membership_ends_after_the_gift(price: Price, ada: User, ben: User) -> None:
    _gift, code = paid_gift(ada, price)
    subscription = make_member(ben, price, cancel_at_period_end=True)
    was = subscription.period_ends_at

    redeem(code, user=ben, now=database_now())

    subscription.refresh_from_db()
    assert subscription.cancel_at_period_end
    assert was is not None
    assert subscription.period_ends_at is not None
    assert subscription.period_ends_at > was + timedelta(days=27)


@pytest.mark.parametrize("status", ["past_due", "suspended", "paused", "ended"])
def test_who_has_no_running_period_gets_the_time_at_once(price: Price, ada: User, ben: User, status: str) -> None:
    _gift, code = paid_gift(ada, price)
    subscription = make_member(ben, price, status=status)
    version = Subscription.objects.get(id=subscription.id).version
    now = database_now()

    redeem(code, user=ben, now=now)

    (grant,) = grants_of(ben)
    assert grant.starts_at == now
    assert Subscription.objects.get(id=subscription.id).version == version


def test_another_plan_stands_beside_the_subscription(price: Price, ada: User, ben: User) -> None:
    platinum = Price.objects.get(plan__code="platinum")
    _gift, code = paid_gift(ada, platinum)
    subscription = make_member(ben, price)

    redeem(code, user=ben, now=database_now())

    (grant,) = grants_of(ben)
    assert grant.plan.code == "platinum"
    assert Period.objects.filter(subscription=subscription).count() == 1


def test_while_the_next_period_is_being_paid_the_code_waits_and_stays_good(price: Price, ada: User, ben: User) -> None:
    gift, code = paid_gift(ada, price)
    subscription = make_member(ben, price, started=database_now() - timedelta(days=40))
    first = Period.objects.get(subscription=subscription)
    renewing = Period.objects.create(
        subscription=subscription,
        number=2,
        plan_version=first.plan_version,
        price=price,
        starts_at=first.ends_at,
        ends_at=first.ends_at + timedelta(days=30),
    )

    with no_row_changes(), pytest.raises(RenewalUnderWay):
        redeem(code, user=ben, now=database_now())

    renewing.status = "void"
    renewing.save()
    Subscription.objects.filter(id=subscription.id).update(status="past_due")
    redeem(code, user=ben, now=database_now())
    gift.refresh_from_db()
    assert gift.status == "redeemed"


def test_a_member_by_a_store_is_told_where_to_manage_it_and_keeps_the_code(price: Price, ada: User, ben: User) -> None:
    gift, code = paid_gift(ada, price)
    subscription = make_store_member(ben, price)

    with no_row_changes(), pytest.raises(SoldElsewhere) as refusal:
        redeem(code, user=ben, now=database_now())

    assert refusal.value.extra["subscription"] == subscription.id
    assert refusal.value.extra["manage_url"].startswith("https://apps.apple.com/")
    redeem(code, user=ada, now=database_now())
    gift.refresh_from_db()
    assert gift.status == "redeemed"


def test_a_code_works_once_for_one_person_and_for_nobody_after(price: Price, ada: User, ben: User) -> None:
    _gift, code = paid_gift(ada, price)
    redeem(code, user=ben, now=database_now())

    for person in (ben, ada):
        with no_row_changes(), pytest.raises(CodeNotValid):
            redeem(code, user=person, now=database_now())


def test_codes_are_read_in_any_case_and_grouping(price: Price, ada: User, ben: User) -> None:
    _gift, code = paid_gift(ada, price)
    redeem(f"  {code.replace('-', ' ').lower()} ", user=ben, now=database_now())
    assert len(grants_of(ben)) == 1


@pytest.mark.parametrize(
    "typed",
    [
        "",
        "-",
        "ABCD",
        "祝你生日快乐祝你生日快乐祝你好",
        "０" * 16,
        "A" * 1000,
        "'; DROP TABLE--XXX",
        "IIII-OOOO-1111-0000",
    ],
)
def test_what_is_no_code_gives_nothing(price: Price, ben: User, typed: str) -> None:
    with no_row_changes(), pytest.raises(CodeNotValid):
        redeem(typed, user=ben, now=database_now())


def test_codes_have_no_characters_that_look_alike_and_do_not_repeat() -> None:
    codes = {new_code() for _number in range(2000)}
    assert len(codes) == 2000
    assert not set("".join(codes)) & set("01OILSUV")
    assert all(len(code.replace("-", "")) == LENGTH for code in codes)
    assert set("".join(codes)) == {*ALPHABET, "-"}


def test_a_code_is_never_taken_for_a_card_number(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = iter([0, 1])  # sixteen times the first digit, and all but one of them digits
    monkeypatch.setattr("paycore.code_batches.secrets.randbelow", lambda most: next(drawn, most - 1))
    assert new_code() == "ZZZZ-ZZZZ-ZZZZ-ZZZZ"


def test_a_gift_of_a_plan_that_is_not_sold_any_more_is_still_good(price: Price, ada: User, ben: User) -> None:
    _gift, code = paid_gift(ada, price)
    Price.objects.filter(id=price.id).update(is_active=False)
    Plan.objects.filter(id=price.plan_id).update(is_active=False)

    redeem(code, user=ben, now=database_now())

    assert len(grants_of(ben)) == 1


def test_a_new_code_ends_the_one_before(price: Price, ada: User, ben: User) -> None:
    gift, lost = paid_gift(ada, price, recipient_email="ben@example.com")

    _gift, code = replace_code(gift.id, buyer_id=ada.id, now=database_now())

    with pytest.raises(CodeNotValid):
        redeem(lost, user=ben, now=database_now())
    assert Notification.objects.filter(key=f"gift_code:{gift.id}").count() == 0
    redeem(code, user=ben, now=database_now())
    with pytest.raises(GiftNotReady):
        replace_code(gift.id, buyer_id=ada.id, now=database_now())
    with pytest.raises(NotFound):
        replace_code(gift.id, buyer_id=ben.id, now=database_now())


def test_an_order_that_was_never_paid_leaves_a_void_gift_which_late_money_revives(price: Price, ada: User) -> None:
    gift = buy_gift(GiftDraft(buyer=ada, price_id=price.id), now=database_now())

    forget_unpaid(gift.invoice, now=database_now())
    forget_unpaid(gift.invoice, now=database_now())
    gift.refresh_from_db()
    assert gift.status == "void"
    assert gift.invoice.status == "uncollectible"

    pay(gift, now=database_now())
    assert (gift.status, gift.ended_at) == ("ready", None)


def test_money_back_before_it_is_redeemed_ends_the_code(price: Price, ada: User, ben: User) -> None:
    gift, code = paid_gift(ada, price)

    take_back_gift(gift.invoice, now=database_now())
    take_back_gift(gift.invoice, now=database_now())

    gift.refresh_from_db()
    assert gift.status == "void"
    with no_row_changes(), pytest.raises(CodeNotValid):
        redeem(code, user=ben, now=database_now())
    issue_gift(gift.invoice, now=database_now())  # an old piece of news, told again
    gift.refresh_from_db()
    assert gift.status == "void"


def test_money_back_afterwards_ends_the_grant_and_moves_later_ones_forward(price: Price, ada: User, ben: User) -> None:
    gift, code = paid_gift(ada, price)
    _other, second_code = paid_gift(ada, price)
    begun = database_now()
    redeem(code, user=ben, now=begun)
    redeem(second_code, user=ben, now=begun)
    first, second = grants_of(ben)
    length = second.ends_at - second.starts_at
    now = begun + timedelta(days=5)

    take_back_gift(gift.invoice, now=now)
    take_back_gift(gift.invoice, now=now)

    first.refresh_from_db()
    second.refresh_from_db()
    gift.refresh_from_db()
    assert first.revoked_at == now
    assert (second.starts_at, second.ends_at) == (now, now + length)
    assert gift.status == "revoked"
    assert Redemption.objects.get(grant=first).revoked_at == now


def test_money_back_takes_time_that_has_not_begun_from_the_end(price: Price, ada: User, ben: User) -> None:
    gift, code = paid_gift(ada, price)
    subscription = make_member(ben, price)
    before = (subscription.period_ends_at, subscription.anchor_at, subscription.due_at)
    redeem(code, user=ben, now=database_now())

    take_back_gift(gift.invoice, now=database_now())

    subscription.refresh_from_db()
    assert (subscription.period_ends_at, subscription.anchor_at, subscription.due_at) == before
    assert [p.status for p in Period.objects.filter(subscription=subscription).order_by("number")] == [
        "paid",
        "revoked",
    ]


def test_money_back_in_the_middle_leaves_what_was_used_and_what_another_code_gave(
    price: Price, ada: User, ben: User
) -> None:
    gift, code = paid_gift(ada, price)
    _other, second_code = paid_gift(ada, price)
    subscription = make_member(ben, price)
    redeem(code, user=ben, now=database_now())
    redeem(second_code, user=ben, now=database_now())
    _first, bonus, other = Period.objects.filter(subscription=subscription).order_by("number")
    now = bonus.starts_at + timedelta(days=10)

    take_back_gift(gift.invoice, now=now)

    subscription.refresh_from_db()
    paid = list(Period.objects.filter(subscription=subscription, status="paid").order_by("starts_at"))
    assert [period.starts_at for period in paid[1:]] == [period.ends_at for period in paid[:-1]]
    assert paid[1].ends_at == now
    assert paid[2].ends_at - paid[2].starts_at == other.ends_at - other.starts_at
    assert subscription.period_ends_at == subscription.due_at == paid[2].ends_at
    assert Redemption.objects.get(period=paid[2]).revoked_at is None


def test_money_back_for_time_that_is_over_changes_no_time(price: Price, ada: User, ben: User) -> None:
    gift, code = paid_gift(ada, price)
    redeem(code, user=ben, now=database_now() - timedelta(days=90))
    (grant,) = grants_of(ben)

    take_back_gift(gift.invoice, now=database_now())

    gift.refresh_from_db()
    assert gift.status == "revoked"
    assert Grant.objects.get(id=grant.id).ends_at == grant.ends_at


def test_a_person_who_is_erased_leaves_no_words_and_no_address(price: Price, ada: User, ben: User) -> None:
    gift, _code = paid_gift(ada, price, recipient_email="ben@example.com", message="For Ben")

    services.forget_gifts(ben)

    gift.refresh_from_db()
    assert (gift.recipient_email, gift.message, bytes(gift.recipient_index)) == (None, None, b"")
    assert Order.objects.filter(user=ada).exists()


def test_a_gift_for_later_is_sent_before_its_buyer_is_forgotten(price: Price, ada: User, ben: User) -> None:
    now = database_now()
    draft = GiftDraft(buyer=ada, price_id=price.id, recipient_email="ben@example.com", deliver_at=now + timedelta(9))
    gift = buy_gift(draft, now=now)
    pay(gift, now=now)
    assert not Notification.objects.filter(template="gift_received").exists()

    services.forget_gifts(ada)

    sent = Notification.objects.get(key=f"gift_code:{gift.id}")
    gift.refresh_from_db()
    assert (gift.recipient_email, gift.message) == (None, None)
    assert sent.template == "gift_received"
    assert redeem(str(sent.context["code"]), user=ben, now=database_now()).grant is not None


def test_news_of_a_payment_that_comes_after_its_refund_gives_no_code(price: Price, ada: User) -> None:
    gift = buy_gift(GiftDraft(buyer=ada, price_id=price.id), now=database_now())
    order = gift.invoice.order
    assert order is not None
    Order.objects.filter(id=order.id).update(status="paid", paid_at=database_now(), next_attempt_at=None)
    Order.objects.filter(id=order.id).update(status="closed")
    take_back(order.id, end_reason="refunded")

    settle_order(order.id, payment_id="")

    gift.refresh_from_db()
    gift.invoice.refresh_from_db()
    assert (gift.status, gift.invoice.status) == ("void", "paid")
    assert RedeemCode.objects.count() == 0
