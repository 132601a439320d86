"""Money at the seams: news in the wrong order, two things at one moment, and what is given back of what."""

from datetime import timedelta
from typing import Any

import pytest

from memberships.invoices.paying import mark_paid
from memberships.models import Dunning, Invoice, Period, Price, Subscription
from memberships.renewals import dunning, opening
from memberships.renewals.collecting import collect
from memberships.renewals.dunning import CANCELED, UNPAID, Failure, give_up, record_failure
from memberships.renewals.opening import open_due_periods
from memberships.renewals.stepping import drop_change, renew_due
from memberships.settling import end_order, settle_order, take_back
from memberships.subscriptions.settling_rows import settle_period
from merchants.models import Merchant
from paycore.clock import database_now
from payments.orders.models import Order, Payment, Refund
from payments.routing.models import GatewayAccount
from tests.actors import AppUser, assert_books_are_whole, run_background
from tests.memberships.factories import make_catalogue, make_price
from tests.memberships.joining import do, join, pay, spans, subscribe, travel
from tests.memberships.renewal_stage import Stage, fresh, periods_of, renewal_of, work
from tests.payments.promotions.factories import make_promotion

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _users_have_clocks(settings: Any) -> None:
    settings.PAYCORE_SANDBOX_MODE = True


@pytest.fixture
def premium(platform: Merchant) -> Price:
    return make_catalogue()


def overdue(stage: Stage, **more: Any) -> Subscription:
    member = stage.member(script="decline(insufficient_funds)", **more)
    work()
    assert fresh(member).status == "past_due"
    return member


# --- paid in the very moment in which it is given up ------------------------------------------------------------------


def settle_meanwhile(monkeypatch: pytest.MonkeyPatch, member: Subscription) -> None:
    """The gateway, asked to close what is live, says that it was paid; another worker hears of it first."""

    def paid_meanwhile(subscription_id: str, **_more: Any) -> None:
        invoice = renewal_of(member)
        Order.objects.filter(id=invoice.order_id).update(status="paid", next_attempt_at=None)
        assert settle_period(invoice, now=database_now(subject=member.user_id))
        mark_paid(invoice, now=database_now(subject=member.user_id))

    monkeypatch.setattr(dunning, "close_at_gateway", paid_meanwhile)


def test_who_pays_in_the_last_second_is_not_ended(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    member = overdue(stage)
    settle_meanwhile(monkeypatch, member)
    assert not give_up(member.id, end_reason=UNPAID, now=database_now())
    now = fresh(member)
    assert (now.status, now.period_number, now.due_at) == ("active", 2, now.period_ends_at)
    assert periods_of(member) == [(1, "paid", "paid"), (2, "paid", "paid")]


def test_who_cancels_while_the_next_period_is_paid_has_that_period(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    member = stage.member()
    open_due_periods()
    Subscription.objects.filter(id=member.id).update(cancel_at_period_end=True, canceled_at=database_now())
    settle_meanwhile(monkeypatch, member)
    assert not give_up(member.id, end_reason=CANCELED, now=database_now())
    assert (fresh(member).status, fresh(member).period_number) == ("active", 2)


def test_credit_of_a_lost_period_comes_back_once(stage: Stage) -> None:
    """Its order was opened again by a person, and paid: too late for the membership."""
    member = overdue(stage, credit_minor=500)
    invoice = renewal_of(member)
    assert give_up(member.id, end_reason=UNPAID, now=database_now())
    assert fresh(member).credit_minor == 500
    settle_order(str(invoice.order_id), payment_id="pay_none")
    assert fresh(member).credit_minor == 500
    assert renewal_of(member).status == "void"


# --- a start ahead ----------------------------------------------------------------------------------------------------


def test_a_start_ahead_pays_the_set_up_fee_it_was_told(
    app_user: AppUser, account: GatewayAccount, premium: Price
) -> None:
    price = make_price(premium.plan, 2000, interval="week", setup_fee_minor=300)
    starts_at = (database_now() + timedelta(days=10)).isoformat()
    quoted = app_user.post("/subscriptions/preview", {"price": price.id, "starts_at": starts_at}).json()
    member = Subscription.objects.get(id=subscribe(app_user, price, starts_at=starts_at)["id"])
    travel(app_user, days=10, minutes=1)
    work(rounds=2)
    assert renewal_of(member).due_minor == quoted["invoice"]["due_minor"] == 2300


def test_a_trial_that_no_worker_began_is_still_free(app_user: AppUser, account: GatewayAccount, premium: Price) -> None:
    price = make_price(premium.plan, 2000, interval="week", trial_days=3)
    starts_at = database_now() + timedelta(days=10)
    member = Subscription.objects.get(id=subscribe(app_user, price, starts_at=starts_at.isoformat())["id"])
    travel(app_user, days=14)
    work(rounds=2)
    trial, paid = Period.objects.filter(subscription=member).order_by("number")
    assert (trial.kind, trial.starts_at, trial.ends_at) == ("trial", starts_at, starts_at + timedelta(days=3))
    assert paid.starts_at == trial.ends_at


# --- the slots of codes -----------------------------------------------------------------------------------------------


def test_who_begins_again_with_the_same_code_may(app_user: AppUser, premium: Price, platform: Merchant) -> None:
    promotion = make_promotion(platform, "ONCE", max_per_person=1)
    subscribe(app_user, premium, promotion_code="ONCE")
    again = subscribe(app_user, premium, promotion_code="ONCE")
    assert again["order"]["amount_minor"] == 1599
    run_background()
    assert sorted(promotion.redemptions.values_list("status", flat=True)) == ["released", "taken"]
    assert promotion.redemptions.get(status="taken").subject_id == again["id"]


@pytest.mark.parametrize("is_trial", [True, False])
def test_a_code_that_lowered_nothing_is_free_again(
    app_user: AppUser, premium: Price, platform: Merchant, is_trial: bool
) -> None:
    price = make_price(premium.plan, 2000, interval="week", trial_days=3 if is_trial else 0)
    promotion = make_promotion(platform, "LATER")
    more = {} if is_trial else {"starts_at": (database_now() + timedelta(days=10)).isoformat()}
    member = Subscription.objects.get(id=subscribe(app_user, price, promotion_code="LATER", **more)["id"])
    do(app_user, member, "cancel", when="now")
    assert promotion.redemptions.get().status == "released"


def test_free_days_that_were_had_are_used_up(app_user: AppUser, premium: Price, platform: Merchant) -> None:
    promotion = make_promotion(platform, "DAYS", kind="free_days", free_days=7)
    member = Subscription.objects.get(id=subscribe(app_user, premium, promotion_code="DAYS")["id"])
    assert member.status == "trialing"
    do(app_user, member, "cancel", when="now")
    assert promotion.redemptions.get().status != "released"


def test_news_that_an_order_expired_takes_no_code_from_who_paid(
    app_user: AppUser, account: GatewayAccount, premium: Price, platform: Merchant
) -> None:
    promotion = make_promotion(platform, "WELCOME20")
    made = subscribe(app_user, premium, promotion_code="WELCOME20")
    pay(app_user, made["order"])
    end_order(made["order"]["id"])
    assert promotion.redemptions.get().status == "used"


def test_a_refund_of_a_month_long_gone_leaves_the_code(
    app_user: AppUser, account: GatewayAccount, premium: Price, platform: Merchant
) -> None:
    promotion = make_promotion(platform, "ALWAYS", duration="forever")
    member = join(app_user, premium, promotion_code="ALWAYS")
    first = Payment.objects.get()
    paid = Period.objects.get()
    following = Period.objects.create(
        subscription=member, number=2, status="paid", plan_version=paid.plan_version, price=premium,
        starts_at=paid.ends_at, ends_at=paid.ends_at + timedelta(days=30),
    )  # fmt: skip
    Subscription.objects.filter(id=member.id).update(
        period_number=2, period_started_at=following.starts_at, period_ends_at=following.ends_at
    )
    travel(app_user, days=35)
    take_back(first.order_id, end_reason="refunded")
    assert fresh(member).status == "active"
    assert promotion.redemptions.get().status == "used"


# --- what is left of what was given back ------------------------------------------------------------------------------


def test_money_given_back_before_is_not_given_again(
    app_user: AppUser, account: GatewayAccount, premium: Price, settings: Any
) -> None:
    settings.PAYCORE_MEMBERSHIP_REFUND = "prorated"
    member = join(app_user, premium)
    app_user.post("/refunds", {"payment": Payment.objects.get().id, "amount_minor": 1500, "reason": "an outage"})
    run_background()
    assert Refund.objects.get().status == "succeeded"
    do(app_user, member, "cancel", when="now")
    run_background()
    returned = sum(refund.amount_minor for refund in Refund.objects.filter(status="succeeded"))
    assert returned + fresh(member).credit_minor <= 1999
    assert_books_are_whole()


def test_a_change_counts_only_the_money_that_stayed(app_user: AppUser, account: GatewayAccount, premium: Price) -> None:
    member = join(app_user, premium)
    app_user.post("/refunds", {"payment": Payment.objects.get().id, "amount_minor": 1500, "reason": "an outage"})
    run_background()
    changed = do(app_user, member, "change", price=Price.objects.get(plan__code="platinum").id)
    credit = next(line for line in changed["invoice"]["lines"] if line["kind"] == "credit")
    assert -499 <= credit["amount_minor"] < 0
    pay(app_user, changed["order"])
    assert_books_are_whole()


def test_money_that_went_back_before_it_was_heard_of_gives_nothing(
    app_user: AppUser, account: GatewayAccount, premium: Price
) -> None:
    """The news of the payment came after the news of its refund."""
    made = subscribe(app_user, premium)
    Order.objects.filter(id=made["order"]["id"]).update(status="paid", next_attempt_at=None)
    Order.objects.filter(id=made["order"]["id"]).update(status="closed")
    take_back(made["order"]["id"], end_reason="refunded")
    settle_order(made["order"]["id"], payment_id="pay_none")
    member = Subscription.objects.get()
    assert (member.status, member.end_reason) == ("ended", "refunded")
    assert spans(member) == [(1, "paid", "revoked")]


# --- what is nobody's fault -------------------------------------------------------------------------------------------


def test_members_are_not_overdue_because_the_seller_takes_no_payments(stage: Stage) -> None:
    member = stage.member()
    open_due_periods()
    Merchant.objects.filter(id=stage.platform.id).update(status="suspended")
    assert collect([member.id]).outcomes == {member.id: "pending"}
    now = fresh(member)
    assert (now.status, now.retries, now.failure_code) == ("active", 0, "")
    assert now.due_at is not None
    assert now.due_at > database_now()


def test_a_row_that_cannot_be_drafted_does_not_keep_the_others_waiting(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken, whole = stage.member(), stage.member()
    as_ever = opening.draft_of

    def fails_for_one(period: Any, **more: Any) -> Any:
        if period.subscription.id == broken.id:
            raise ValueError("not to be drafted")
        return as_ever(period, **more)

    monkeypatch.setattr(opening, "draft_of", fails_for_one)
    with pytest.raises(ExceptionGroup):
        renew_due()
    assert (fresh(whole).period_number, fresh(broken).period_number) == (2, 1)


def test_a_change_of_what_has_ended_meanwhile_is_let_go_quietly(
    app_user: AppUser, account: GatewayAccount, premium: Price
) -> None:
    member = join(app_user, premium)
    do(app_user, member, "change", price=Price.objects.get(plan__code="platinum").id)
    take_back(Payment.objects.get().order_id, end_reason="refunded")
    drop_change(member.id, now=database_now())
    assert fresh(member).status == "ended"
    assert Invoice.objects.get(kind="change").status == "void"


def test_who_canceled_is_not_dunned_when_the_charge_under_way_fails(stage: Stage) -> None:
    member = stage.member(script="decline(insufficient_funds)")
    open_due_periods()
    Subscription.objects.filter(id=member.id).update(cancel_at_period_end=True, canceled_at=database_now())
    collect([member.id])
    assert fresh(member).status == "active"
    work()
    now = fresh(member)
    assert (now.status, now.end_reason, now.past_due_since) == ("ended", "canceled", None)
    assert not Dunning.objects.exists()
    assert periods_of(member) == [(1, "paid", "paid"), (2, "paid", "void")]


# --- what was given for something else --------------------------------------------------------------------------------


def test_a_code_for_one_plan_lowers_no_other(app_user: AppUser, account: GatewayAccount, premium: Price) -> None:
    platform = Merchant.objects.get(is_platform=True)
    make_promotion(platform, "PREMIUM90", duration="forever", percent_basis_points=9_000, plans=["premium"])
    member = join(app_user, premium, promotion_code="PREMIUM90")
    do(app_user, member, "change", price=Price.objects.get(plan__code="platinum").id, when="period_end")
    travel(app_user, days=40)
    work()
    assert renewal_of(member).due_minor == 4999


def test_a_start_ahead_takes_no_trial_along_to_what_has_none(app_user: AppUser, premium: Price) -> None:
    tried = make_price(premium.plan, 2000, interval="week", trial_days=14)
    starts_at = (database_now() + timedelta(days=10)).isoformat()
    member = Subscription.objects.get(id=subscribe(app_user, tried, starts_at=starts_at)["id"])
    do(app_user, member, "change", price=Price.objects.get(plan__code="platinum").id)
    assert fresh(member).trial_ends_at is None
    do(app_user, member, "change", price=tried.id)
    assert fresh(member).trial_ends_at == fresh(member).starts_at + timedelta(days=14)


def test_free_days_of_a_code_stay_when_a_start_ahead_is_changed(
    app_user: AppUser, premium: Price, platform: Merchant
) -> None:
    make_promotion(platform, "DAYS", kind="free_days", free_days=7)
    starts_at = (database_now() + timedelta(days=10)).isoformat()
    made = subscribe(app_user, premium, starts_at=starts_at, promotion_code="DAYS")
    member = Subscription.objects.get(id=made["id"])
    do(app_user, member, "change", price=Price.objects.get(plan__code="platinum").id)
    assert fresh(member).trial_ends_at == fresh(member).starts_at + timedelta(days=7)


def test_a_code_that_paid_everything_is_used(app_user: AppUser, premium: Price, platform: Merchant) -> None:
    promotion = make_promotion(platform, "GRATIS", percent_basis_points=10_000)
    subscribe(app_user, premium, promotion_code="GRATIS")
    assert promotion.redemptions.get().status == "used"


def test_who_leaves_while_overdue_is_not_charged_again_at_once(stage: Stage) -> None:
    """A price change that was refused, say: attempts stay on their days."""
    member = overdue(stage)
    Subscription.objects.filter(id=member.id).update(cancel_at_period_end=True, canceled_at=database_now())
    assert record_failure(Failure(member.id, renewal_of(member).id, 2, "declined"), now=database_now())
    due_at = fresh(member).due_at
    assert due_at is not None
    assert due_at > database_now()
