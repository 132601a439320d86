"""Another plan, price or seats: what it costs to the cent, when it happens, and what it may not do."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction

from memberships.models import Invoice, Period, PlanChange, Price, Subscription, TaxRate
from memberships.subscriptions.bonus import append_bonus
from memberships.subscriptions.proration import Rhythm, price_of_span, split_unused
from memberships.subscriptions.recording import Why, lock_subscription
from merchants.models import Merchant
from paycore.clock import database_now
from payments.orders.models import Order, Refund
from payments.routing.models import GatewayAccount
from tests.actors import AppUser, assert_books_are_whole, run_background
from tests.api.row_counts import no_row_changes
from tests.memberships.factories import make_catalogue, make_plan, make_price
from tests.memberships.joining import assert_tiled, do, join, pay, spans, subscribe, travel

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _sandbox(settings: Any) -> None:
    settings.PAYCORE_SANDBOX_MODE = True


@pytest.fixture
def premium(platform: Merchant) -> Price:
    return make_catalogue()


@pytest.fixture
def platinum(premium: Price) -> Price:
    return Price.objects.get(plan__code="platinum")


def refused(response: Any, status: int, code: str) -> Any:
    assert (response.status_code, response.json()["code"]) == (status, code), response.content
    return response.json()


def amounts(answer: Any) -> dict[str, int]:
    return {line["kind"]: line["amount_minor"] for line in answer["invoice"]["lines"]}


def test_an_upgrade_pays_for_the_rest_and_sets_the_unused_time_off(
    app_user: AppUser, account: GatewayAccount, premium: Price, platinum: Price
) -> None:
    member = join(app_user, premium)
    assert member.period_started_at is not None
    assert member.period_ends_at is not None
    travel(app_user, days=10)

    quoted = do(app_user, member, "preview", price=platinum.id)
    changed = do(app_user, member, "change", price=platinum.id, quoted_at=quoted["effective_at"])
    change = PlanChange.objects.get()
    at = change.effective_at

    span = {"starts_at": member.period_started_at, "ends_at": member.period_ends_at}
    unused = split_unused(premium.amount, **span, at=at)[1]
    rhythm = Rhythm(member.period_started_at, "UTC", "month", 1)
    rest = price_of_span(platinum.amount, starts_at=at, ends_at=member.period_ends_at, rhythm=rhythm)
    assert amounts(quoted) == amounts(changed) == {"plan": rest.minor, "credit": -unused.minor}
    assert changed["order"]["amount_minor"] == (rest - unused).minor
    assert (changed["plan"], change.applied_at) == ("premium", None)

    pay(app_user, changed["order"])
    member.refresh_from_db()
    assert (member.plan.code, member.price_id) == ("platinum", platinum.id)
    assert member.period_ends_at == span["ends_at"] == member.due_at
    assert spans(member) == [(1, "paid", "paid"), (2, "paid", "paid")]
    assert Period.objects.get(number=2).starts_at == at
    assert_tiled(member)
    assert_books_are_whole()


def test_a_downgrade_happens_at_once_and_leaves_credit(
    app_user: AppUser, account: GatewayAccount, premium: Price, platinum: Price
) -> None:
    member = join(app_user, platinum)
    travel(app_user, days=10)

    changed = do(app_user, member, "change", price=premium.id)

    sums = amounts(changed)
    assert (changed["order"], changed["plan"], changed["invoice"]["status"]) == (None, "premium", "paid")
    assert changed["credit_minor"] == -(sums["plan"] + sums["credit"]) > 0
    assert Order.objects.count() == 1
    again = do(app_user, member, "change", price=platinum.id)
    assert again["invoice"]["credit_minor"] > 0
    assert abs(again["invoice"]["due_minor"]) <= 1, "there and back costs nothing"
    assert_books_are_whole()


def test_another_interval_begins_anew(app_user: AppUser, account: GatewayAccount, premium: Price) -> None:
    yearly = make_price(premium.plan, 19_900, interval="year")
    member = join(app_user, premium)
    travel(app_user, days=3)
    changed = do(app_user, member, "change", price=yearly.id)
    assert amounts(changed)["plan"] == 19_900
    pay(app_user, changed["order"])
    member.refresh_from_db()
    assert member.anchor_at == member.period_started_at == PlanChange.objects.get().effective_at
    assert member.period_ends_at is not None
    assert (member.period_ends_at - member.anchor_at).days in (365, 366)  # type: ignore[operator]  # it has one
    assert_tiled(member)


@pytest.mark.parametrize("is_inclusive", [True, False])
def test_tax_is_set_off_like_the_rest(
    app_user: AppUser, account: GatewayAccount, premium: Price, is_inclusive: bool
) -> None:
    TaxRate.objects.create(country="DE", name="USt", rate_basis_points=1_900, starts_on="2020-01-01")
    one = make_price(premium.plan, 1_000, interval="week", is_tax_inclusive=is_inclusive)
    other = make_price(make_plan("gold", tier="platinum"), 3_000, interval="week", is_tax_inclusive=is_inclusive)
    member = join(app_user, one, country="DE")
    travel(app_user, days=3, hours=12)
    changed = do(app_user, member, "change", price=other.id)
    lines, invoice = amounts(changed), changed["invoice"]
    net = lines["plan"] + lines["credit"]
    assert abs(net - 1_000) <= 1
    expected = round(net * 19 / 119) if is_inclusive else round(net * 0.19)
    assert invoice["tax_minor"] == expected
    assert invoice["total_minor"] == (net if is_inclusive else net + expected)


def test_more_seats_cost_their_share(app_user: AppUser, account: GatewayAccount, premium: Price) -> None:
    family = make_price(
        make_plan("family", tier="premium", seats=(3, 10)), 3_000, interval="week", seat_amount_minor=700
    )
    member = join(app_user, family)
    travel(app_user, days=3, hours=12)
    changed = do(app_user, member, "change", quantity=5)
    lines = amounts(changed)
    assert abs(lines["plan"] + lines["credit"]) <= 1
    assert abs(lines["seats"] - 700) <= 1
    pay(app_user, changed["order"])
    member.refresh_from_db()
    assert (member.quantity, Period.objects.get(number=2).quantity) == (5, 5)


def test_a_trial_of_the_same_tier_goes_on_as_the_other_plan(app_user: AppUser, premium: Price) -> None:
    yearly = make_price(premium.plan, 19_900, interval="year", trial_days=14)
    quarterly = make_price(premium.plan, 5_400, interval="quarter", trial_days=7)
    trial = Subscription.objects.get(id=subscribe(app_user, yearly)["id"])
    travel(app_user, days=2)
    changed = do(app_user, trial, "change", price=quarterly.id)
    assert (changed["status"], changed["invoice"], changed["price"]) == ("trialing", None, quarterly.id)
    assert changed["period_ends_at"] == changed["trial_ends_at"]
    assert spans(trial) == [(1, "trial", "paid"), (2, "trial", "paid")]


def test_who_leaves_the_trial_for_a_plan_without_one_pays_a_whole_interval(
    app_user: AppUser, account: GatewayAccount, premium: Price, platinum: Price
) -> None:
    yearly = make_price(premium.plan, 19_900, interval="year", trial_days=14)
    trial = Subscription.objects.get(id=subscribe(app_user, yearly)["id"])
    travel(app_user, days=2)
    changed = do(app_user, trial, "change", price=platinum.id)
    assert amounts(changed) == {"plan": 4_999}
    assert changed["status"] == "trialing"
    pay(app_user, changed["order"])
    trial.refresh_from_db()
    assert (trial.status, trial.plan.code) == ("active", "platinum")
    assert_tiled(trial)


def test_the_next_period_may_be_another_plans(
    app_user: AppUser, account: GatewayAccount, premium: Price, platinum: Price
) -> None:
    member = join(app_user, platinum)
    quoted = do(app_user, member, "preview", price=premium.id, when="period_end")
    assert amounts(quoted) == {"plan": 1_999}
    planned = do(app_user, member, "change", price=premium.id, when="period_end")
    assert (planned["plan"], planned["next_price"], planned["order"]) == ("platinum", premium.id, None)
    again = app_user.post(f"/subscriptions/{member.id}/change", {"price": premium.id, "when": "period_end"})
    refused(again, 409, "nothing_changes")

    assert do(app_user, member, "keep")["next_price"] is None
    refused(app_user.post(f"/subscriptions/{member.id}/keep", {}), 409, "no_planned_change")
    assert Invoice.objects.count() == 1


def test_a_second_thought_takes_the_first_ones_place(
    app_user: AppUser, account: GatewayAccount, premium: Price, platinum: Price
) -> None:
    yearly = make_price(premium.plan, 19_900, interval="year")
    member = join(app_user, premium)
    first = do(app_user, member, "change", price=platinum.id)
    second = do(app_user, member, "change", price=yearly.id)
    assert Order.objects.get(id=first["order"]["id"]).status == "canceled"
    assert Invoice.objects.get(id=first["invoice"]["id"]).status == "void"
    refused_late = app_user.post("/payments", {"order": first["order"]["id"], "method": "card"})
    assert refused_late.status_code == 409
    pay(app_user, second["order"])
    member.refresh_from_db()
    assert member.price_id == yearly.id


@pytest.mark.parametrize("action", ["pause", "cancel"])
def test_a_change_nobody_paid_does_not_survive_the_membership(
    app_user: AppUser, account: GatewayAccount, premium: Price, platinum: Price, action: str
) -> None:
    member = join(app_user, premium)
    asked = do(app_user, member, "change", price=platinum.id)
    do(app_user, member, action, **({"when": "now"} if action == "cancel" else {}))
    assert Order.objects.get(id=asked["order"]["id"]).status == "canceled"
    assert Invoice.objects.get(id=asked["invoice"]["id"]).status == "void"
    run_background()
    assert_books_are_whole()


def test_time_that_was_given_stays_behind_the_new_plan(
    app_user: AppUser, account: GatewayAccount, premium: Price, platinum: Price
) -> None:
    yearly = make_price(platinum.plan, 49_900, interval="year")
    member = join(app_user, premium)
    with transaction.atomic():
        row = lock_subscription(member.id)
        append_bonus(row, Why("bonus", "system", database_now()), interval="month", interval_count=1)
    bonus = Period.objects.get(kind="bonus")

    for price, ends_later in ((platinum, False), (yearly, True)):
        changed = do(app_user, member, "change", price=price.id)
        pay(app_user, changed["order"])
        member.refresh_from_db()
        last = Period.objects.filter(kind="bonus", status="paid").get()
        assert last.ends_at - last.starts_at == bonus.ends_at - bonus.starts_at
        assert (last.starts_at > bonus.starts_at) == ends_later
        assert member.period_ends_at == last.ends_at == member.anchor_at == member.due_at
        assert_tiled(member)
    assert_books_are_whole()


def test_a_preview_is_good_for_a_while(
    app_user: AppUser, account: GatewayAccount, premium: Price, platinum: Price
) -> None:
    member = join(app_user, premium)
    old = (database_now() - timedelta(hours=1)).isoformat()
    ahead = (database_now() + timedelta(hours=1)).isoformat()
    with no_row_changes():
        for moment in (old, ahead):
            body = {"price": platinum.id, "quoted_at": moment}
            refused(app_user.post(f"/subscriptions/{member.id}/change", body), 409, "quote_expired")


def test_what_is_being_renewed_is_not_changed(
    app_user: AppUser, account: GatewayAccount, premium: Price, platinum: Price
) -> None:
    member = join(app_user, premium)
    assert member.period_ends_at is not None
    paid = Period.objects.get()
    Period.objects.create(
        subscription=member, number=2, status="open", plan_version=paid.plan_version, price=premium,
        starts_at=member.period_ends_at, ends_at=member.period_ends_at + timedelta(days=30),
    )  # fmt: skip
    with no_row_changes():
        for action, body in (("change", {"price": platinum.id}), ("pause", {})):
            refused(app_user.post(f"/subscriptions/{member.id}/{action}", body), 409, "renewal_under_way")


def test_an_overdue_membership_is_paid_before_it_is_changed(
    app_user: AppUser, account: GatewayAccount, premium: Price, platinum: Price
) -> None:
    member = join(app_user, premium)
    now = database_now()
    Subscription.objects.filter(id=member.id).update(status="past_due", past_due_since=now, grace_until=now)
    with no_row_changes():
        for action, body in (("change", {"price": platinum.id}), ("pause", {})):
            refused(app_user.post(f"/subscriptions/{member.id}/{action}", body), 409, "subscription_overdue")


def test_bad_changes_are_refused_and_leave_nothing(
    app_user: AppUser, account: GatewayAccount, premium: Price, platinum: Price
) -> None:
    euros = make_price(platinum.plan, 4_599, "EUR")
    member = join(app_user, premium)
    cases: list[tuple[dict[str, Any], int, str]] = [
        ({}, 400, "validation_failed"),
        ({"price": premium.id}, 409, "nothing_changes"),
        ({"quantity": 1}, 409, "nothing_changes"),
        ({"price": euros.id}, 400, "currency_mismatch"),
        ({"price": "pri_nobody"}, 404, "price_not_found"),
        ({"plan": "platinum", "interval": "week"}, 400, "no_price_in_currency"),
        ({"price": platinum.id, "plan": "platinum"}, 400, "validation_failed"),
        ({"quantity": 0}, 400, "validation_failed"),
        ({"quantity": 2}, 400, "quantity_not_offered"),
        ({"quantity": 10**9}, 400, "validation_failed"),
        ({"price": platinum.id, "when": "yesterday"}, 400, "validation_failed"),
        ({"price": platinum.id, "amount_minor": -1}, 400, "validation_failed"),
    ]
    with no_row_changes():
        for body, status, code in cases:
            refused(app_user.post(f"/subscriptions/{member.id}/change", body), status, code)
            refused(app_user.post(f"/subscriptions/{member.id}/preview", body), status, code)


def test_a_refund_of_what_the_upgrade_was_set_off_against_ends_it(
    app_user: AppUser, account: GatewayAccount, premium: Price, platinum: Price
) -> None:
    made = subscribe(app_user, premium)
    payment = pay(app_user, made["order"])
    member = Subscription.objects.get()
    changed = do(app_user, member, "change", price=platinum.id)
    pay(app_user, changed["order"])

    app_user.post("/refunds", {"payment": payment["id"], "reason": "x"})
    run_background()

    member.refresh_from_db()
    assert (member.status, member.end_reason) == ("ended", "refunded")
    assert Refund.objects.count() == 1
    assert_books_are_whole()
