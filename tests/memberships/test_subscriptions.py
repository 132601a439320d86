"""Becoming a member, pausing, canceling and coming back."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from django.utils.dateparse import parse_datetime

from memberships.actions.services import Wish, ask
from memberships.models import Grant, Invoice, Pause, Period, Price, Subscription, SubscriptionChange
from memberships.subscriptions.queries import membership_of
from merchants.models import Merchant
from paycore.clock import database_now
from payments.gateways.contract import Outcome, PaymentResult
from payments.orders.charging import record_payment_result
from payments.orders.models import Evidence, Order, Payment, Refund
from payments.orders.services import expire_order
from payments.routing.models import GatewayAccount
from tests.actors import AppUser, assert_books_are_whole, run_background
from tests.api.row_counts import no_row_changes
from tests.memberships.factories import make_catalogue, make_plan, make_price
from tests.memberships.joining import assert_tiled, do, join, pay, spans, subscribe, travel
from tests.memberships.members import make_member
from tests.payments.promotions.factories import make_promotion

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _sandbox(settings: Any) -> None:
    settings.PAYCORE_SANDBOX_MODE = True


@pytest.fixture
def premium(platform: Merchant) -> Price:
    return make_catalogue()


@pytest.fixture
def yearly(premium: Price) -> Price:
    return make_price(premium.plan, 19_900, interval="year", trial_days=14, setup_fee_minor=500)


def refused(response: Any, status: int, code: str) -> Any:
    assert (response.status_code, response.json()["code"]) == (status, code), response.content
    return response.json()


def test_a_paid_start_is_anchored_where_it_was_paid(app_user: AppUser, account: GatewayAccount, premium: Price) -> None:
    member = join(app_user, premium, time_zone="Asia/Shanghai", country="CN")
    assert (member.status, member.period_number, member.rail) == ("active", 1, "web")
    assert member.anchor_at == member.period_started_at == member.starts_at
    assert member.due_at == member.period_ends_at
    assert (member.country, member.time_zone) == ("CN", "Asia/Shanghai")
    assert spans(member) == [(1, "paid", "paid")]
    assert_books_are_whole()


def test_a_trial_costs_nothing_and_the_set_up_fee_waits_for_the_first_paid_period(
    app_user: AppUser, account: GatewayAccount, yearly: Price
) -> None:
    quoted = app_user.post("/subscriptions/preview", {"price": yearly.id}).json()
    made = subscribe(app_user, yearly)

    assert (made["status"], made["order"], made["invoice"]) == ("trialing", None, None)
    assert (quoted["is_due_now"], quoted["invoice"]["due_minor"]) == (False, 20_400)
    assert [line["kind"] for line in quoted["invoice"]["lines"]] == ["plan", "setup"]
    trial = Period.objects.get()
    assert (trial.kind, trial.status, trial.ends_at - trial.starts_at) == ("trial", "paid", timedelta(days=14))
    assert app_user.get("/membership").json()["status"] == "active"
    assert Order.objects.count() == 0


def test_a_tier_is_tried_once(app_user: AppUser, account: GatewayAccount, yearly: Price) -> None:
    first = Subscription.objects.get(id=subscribe(app_user, yearly)["id"])
    do(app_user, first, "cancel", when="now")

    again = subscribe(app_user, yearly)

    assert (again["status"], again["trial_ends_at"]) == ("incomplete", None)
    assert again["order"]["amount_minor"] == 20_400


def test_a_start_ahead_waits_and_is_asked_for_money_on_its_day(
    app_user: AppUser, account: GatewayAccount, premium: Price
) -> None:
    starts_at = (database_now() + timedelta(days=10)).replace(microsecond=0)
    made = subscribe(app_user, premium, starts_at=starts_at.isoformat())

    assert (made["status"], made["order"], made["period_started_at"]) == ("scheduled", None, None)
    row = Subscription.objects.get(id=made["id"])
    assert row.due_at == row.anchor_at == row.period_ends_at == starts_at
    assert app_user.get("/membership").json()["status"] == "free"
    do(app_user, row, "cancel")
    assert Subscription.objects.get(id=row.id).status == "ended"


def test_a_coupon_of_a_hundred_percent_makes_a_member_at_once(
    app_user: AppUser, premium: Price, platform: Merchant
) -> None:
    make_promotion(platform, "GRATIS", percent_basis_points=10_000)
    made = subscribe(app_user, premium, promotion_code="GRATIS")

    assert (made["status"], made["order"], made["invoice"]["status"]) == ("active", None, "paid")
    assert (made["invoice"]["discount_minor"], made["invoice"]["due_minor"]) == (1999, 0)
    assert spans(Subscription.objects.get()) == [(1, "paid", "paid")]
    assert_books_are_whole()


def test_a_code_lowers_the_first_invoice_and_its_slot_is_free_again_when_nobody_pays(
    app_user: AppUser, premium: Price, platform: Merchant
) -> None:
    promotion = make_promotion(platform, "WELCOME20")
    made = subscribe(app_user, premium, promotion_code="welcome20")
    assert made["order"]["amount_minor"] == 1599
    order = Order.objects.get()
    assert expire_order(order.id) is not None
    run_background()

    lapsed = Subscription.objects.get()
    assert (lapsed.status, lapsed.end_reason) == ("ended", "lapsed")
    assert Invoice.objects.get().status == "void"
    assert promotion.redemptions.get().status == "released"


def test_money_that_comes_after_the_start_lapsed_goes_back(
    app_user: AppUser, account: GatewayAccount, premium: Price
) -> None:
    made = subscribe(app_user, premium)
    body = {"order": made["order"]["id"], "method": "card", "options": {"sandbox": {"scenario": "decline"}}}
    payment = app_user.post("/payments", body).json()
    app_user.post(f"/orders/{made['order']['id']}/cancel")
    run_background()
    assert Subscription.objects.get().status == "ended"

    late = PaymentResult(payment["id"], Outcome.SUCCEEDED, amount_minor=1999, currency="USD", gateway_reference="late")
    record_payment_result(payment["id"], late, source=Evidence.Source.QUERY)
    run_background()

    assert Payment.objects.get(id=payment["id"]).is_surplus
    assert Refund.objects.get().amount_minor == 1999
    assert Subscription.objects.get().status == "ended"
    assert Period.objects.count() == 0
    assert_books_are_whole()


def test_a_cancel_waits_for_the_end_and_can_be_taken_back(
    app_user: AppUser, account: GatewayAccount, premium: Price
) -> None:
    member = join(app_user, premium)
    canceled = do(app_user, member, "cancel", reason="too dear")
    assert (canceled["status"], canceled["cancel_at_period_end"], canceled["has_access"]) == ("active", True, True)
    refused(app_user.post(f"/subscriptions/{member.id}/cancel", {}), 409, "already_canceled")

    assert do(app_user, member, "resume")["cancel_at_period_end"] is False
    refused(app_user.post(f"/subscriptions/{member.id}/resume", {}), 409, "not_canceled")

    do(app_user, member, "cancel")
    travel(app_user, days=32)
    assert app_user.get("/membership").json()["status"] == "free", "access ends though no worker ran"
    refused(app_user.post(f"/subscriptions/{member.id}/resume", {}), 409, "subscription_ended")
    assert Refund.objects.count() == 0


@pytest.mark.parametrize(("policy", "share"), [("none", 0), ("prorated", 0.5), ("full", 1)])
def test_a_cancel_at_once_gives_back_by_policy(
    app_user: AppUser, account: GatewayAccount, premium: Price, settings: Any, policy: str, share: float
) -> None:
    settings.PAYCORE_MEMBERSHIP_REFUND = policy
    member = join(app_user, premium)
    assert member.period_started_at is not None
    assert member.period_ends_at is not None
    travel(app_user, seconds=(member.period_ends_at - member.period_started_at).total_seconds() / 2)

    ended = do(app_user, member, "cancel", when="now")
    run_background()

    assert (ended["status"], ended["has_access"]) == ("ended", False)
    refunded = sum(refund.amount_minor for refund in Refund.objects.filter(status="succeeded"))
    assert abs(refunded - 1999 * share) <= 1
    period = Period.objects.get()
    assert period.ends_at == parse_datetime(ended["ended_at"]) or period.status == "revoked"
    assert_books_are_whole()


def test_a_pause_keeps_the_time_to_the_second(app_user: AppUser, account: GatewayAccount, premium: Price) -> None:
    member = join(app_user, premium)
    assert member.period_ends_at is not None
    travel(app_user, days=10)
    paused = do(app_user, member, "pause", reason="holidays")
    assert (paused["status"], paused["has_access"]) == ("paused", False)
    left = member.period_ends_at - parse_datetime(paused["paused_at"])  # type: ignore[operator]  # it is a moment
    row = Subscription.objects.get(id=member.id)
    assert 0 <= row.unused_seconds - left.total_seconds() < 1
    assert row.due_at == row.resumes_at
    refused(app_user.post(f"/subscriptions/{member.id}/pause", {}), 409, "subscription_paused")

    travel(app_user, days=20)
    back = do(app_user, member, "unpause")

    row.refresh_from_db()
    assert (back["status"], row.unused_seconds) == ("active", 0)
    assert (row.period_ends_at - row.period_started_at).total_seconds() == Pause.objects.get().unused_seconds  # type: ignore[operator]  # set
    assert row.anchor_at == row.period_ends_at == row.due_at
    assert spans(row) == [(1, "paid", "paid"), (2, "bonus", "paid")]
    assert_tiled(row)
    refused(app_user.post(f"/subscriptions/{member.id}/unpause", {}), 409, "subscription_not_paused")

    travel(app_user, days=1)
    ended = do(app_user, row, "cancel", when="now")
    run_background()
    refunded = sum(refund.amount_minor for refund in Refund.objects.filter(status="succeeded"))
    worth = Pause.objects.get().unused_minor
    assert worth * 0.9 < refunded < worth
    assert ended["status"] == "ended"
    assert_books_are_whole()


def test_a_trial_is_paused_and_goes_on_as_a_trial(app_user: AppUser, yearly: Price) -> None:
    trial = Subscription.objects.get(id=subscribe(app_user, yearly)["id"])
    travel(app_user, days=4)
    do(app_user, trial, "pause")
    travel(app_user, days=30)
    back = do(app_user, trial, "unpause")
    assert (back["status"], back["trial_ends_at"]) == ("trialing", back["period_ends_at"])
    assert spans(trial) == [(1, "trial", "paid"), (2, "trial", "paid")]


def test_who_left_comes_back_on_the_same_terms(app_user: AppUser, account: GatewayAccount, premium: Price) -> None:
    member = join(app_user, premium, country="DE", time_zone="Europe/Berlin")
    refused(app_user.post(f"/subscriptions/{member.id}/reactivate", {}), 409, "subscription_not_ended")
    do(app_user, member, "cancel", when="now")
    run_background()

    again = app_user.post(f"/subscriptions/{member.id}/reactivate", {}).json()

    assert again["id"] != member.id
    assert (again["price"], again["country"], again["time_zone"]) == (premium.id, "DE", "Europe/Berlin")
    pay(app_user, again["order"])
    assert app_user.get("/membership").json()["subscription"]["id"] == again["id"]


def test_a_grant_of_a_higher_tier_counts_before_a_subscription(
    app_user: AppUser, account: GatewayAccount, premium: Price
) -> None:
    join(app_user, premium)
    platinum = Price.objects.get(plan__code="platinum").plan
    now = database_now()
    grant = Grant.objects.create(user=app_user.user, plan=platinum, starts_at=now, ends_at=now + timedelta(days=3))
    answer = app_user.get("/membership").json()
    assert (answer["plan"], answer["grant"], answer["status"]) == ("platinum", grant.id, "active")
    after = membership_of(app_user.user.id, now=now + timedelta(days=4))
    assert after.plan is not None
    assert after.plan.code == "premium"


def test_what_happened_is_listed_with_who_and_why(app_user: AppUser, account: GatewayAccount, premium: Price) -> None:
    member = join(app_user, premium)
    do(app_user, member, "cancel", reason="too dear")
    page = app_user.get(f"/subscriptions/{member.id}/history", limit=1).json()
    assert page["has_more"] is True
    assert [(row["kind"], row["by"], row["reason"]) for row in page["data"]] == [
        ("canceled", app_user.user.id, "too dear")
    ]
    periods = app_user.get(f"/subscriptions/{member.id}/periods").json()["data"]
    assert [(row["number"], row["plan"]) for row in periods] == [(1, "premium")]
    listed = app_user.get("/subscriptions", status="active").json()["data"]
    assert [row["id"] for row in listed] == [member.id]


def test_what_staff_noted_and_who_of_them_it_was_stays_in_the_house(app_user: AppUser, premium: Price) -> None:
    member = make_member(app_user.user, premium)
    ask(Wish("extend", "Calls every day", [member.id], {"days": 7}), by="usr_clerk")
    (told,) = app_user.get(f"/subscriptions/{member.id}/history").json()["data"]
    assert (told["kind"], told["by"], told["reason"]) == ("extended", "staff", "")
    assert SubscriptionChange.objects.get().by == "usr_clerk"


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"price": "pri_nobody"}, 404, "price_not_found"),
        ({"quantity": 0}, 400, "validation_failed"),
        ({"quantity": -1}, 400, "validation_failed"),
        ({"quantity": 10**9}, 400, "validation_failed"),
        ({"quantity": 2}, 400, "quantity_not_offered"),
        ({"quantity": "1"}, 400, "validation_failed"),
        ({"time_zone": "Mars/Olympus"}, 400, "validation_failed"),
        ({"time_zone": "../etc/passwd"}, 400, "validation_failed"),
        ({"country": "Germany"}, 400, "validation_failed"),
        ({"country": "de"}, 400, "validation_failed"),
        ({"starts_at": "2001-01-01T00:00:00Z"}, 400, "start_not_possible"),
        ({"starts_at": "2099-01-01T00:00:00Z"}, 400, "start_not_possible"),
        ({"starts_at": "9999-12-31T23:59:59-23:59"}, 400, "validation_failed"),
        ({"starts_at": "2026-12-01"}, 400, "validation_failed"),
        ({"starts_at": "2026-12-01T00:00:00"}, 400, "validation_failed"),
        ({"starts_at": 1}, 400, "validation_failed"),
        ({"promotion_code": "NOTHING"}, None, None),
        ({"promotion_code": "x" * 65}, 400, "validation_failed"),
        ({"collected_by": "cash"}, 400, "validation_failed"),
        ({"payment_method": "pm_of_somebody"}, 404, "not_found"),
        ({"price": None}, 400, "validation_failed"),
        ({"surprise": 1}, 400, "validation_failed"),
        ({"plan": "premium", "currency": "EUR"}, 400, "validation_failed"),
    ],
)
def test_bad_starts_are_refused_and_leave_nothing(
    app_user: AppUser, premium: Price, body: dict[str, Any], status: int | None, code: str | None
) -> None:
    with no_row_changes():
        answer = app_user.post("/subscriptions", {"price": premium.id, **body})
        preview = app_user.post("/subscriptions/preview", {"price": premium.id, **body})
    assert answer.status_code == (status or answer.status_code)
    assert 400 <= answer.status_code < 500
    assert preview.status_code == answer.status_code
    assert answer.json()["code"] == (code or answer.json()["code"])


def test_promotion_codes_are_guessed_as_slowly_by_becoming_a_member_as_by_looking_them_up(
    app_user: AppUser, premium: Price, settings: Any
) -> None:
    settings.PAYCORE_THROTTLE_RATES = {**settings.PAYCORE_THROTTLE_RATES, "promotion_check": "3/minute"}
    for path in ("/subscriptions/preview", "/subscriptions/preview", "/subscriptions"):
        refused(app_user.post(path, {"price": premium.id, "promotion_code": "GUESS1"}), 422, "promotion_code_not_valid")
    with no_row_changes():
        for path in ("/subscriptions/preview", "/subscriptions"):
            refused(app_user.post(path, {"price": premium.id, "promotion_code": "GUESS1"}), 429, "throttled")
    assert app_user.post("/subscriptions/preview", {"price": premium.id}).status_code == 200


def test_a_plan_is_bought_by_its_name_in_a_currency_it_is_sold_in(app_user: AppUser, premium: Price) -> None:
    made = app_user.post("/subscriptions", {"plan": "premium", "currency": "USD"})
    assert made.json()["price"] == premium.id
    answer = app_user.post("/subscriptions", {"plan": "premium", "currency": "JPY"})
    assert refused(answer, 400, "no_price_in_currency")["currencies"] == ["USD"]
    refused(app_user.post("/subscriptions", {"plan": "gold", "currency": "USD"}), 404, "price_not_found")


def test_another_ones_subscription_is_not_there(app_user: AppUser, account: GatewayAccount, premium: Price) -> None:
    member = join(app_user, premium)
    eve = AppUser.signed_in("eve@example.com")
    actions = ("cancel", "resume", "pause", "unpause", "reactivate", "keep")
    with no_row_changes():
        for action in actions:
            refused(eve.post(f"/subscriptions/{member.id}/{action}", {}), 404, "not_found")
        for action in ("change", "preview"):
            refused(eve.post(f"/subscriptions/{member.id}/{action}", {"quantity": 1}), 404, "not_found")
        refused(eve.post(f"/subscriptions/{member.id}/collection", {"collected_by": "link"}), 404, "not_found")
        for path in ("", "/history", "/periods"):
            refused(eve.get(f"/subscriptions/{member.id}{path}"), 404, "not_found")
    assert eve.get("/subscriptions").json()["data"] == []


def test_nothing_changes_what_has_ended(app_user: AppUser, account: GatewayAccount, premium: Price) -> None:
    member = join(app_user, premium)
    do(app_user, member, "cancel", when="now")
    run_background()
    bodies: dict[str, dict[str, Any]] = {
        "cancel": {"when": "now"}, "resume": {}, "pause": {}, "keep": {}, "change": {"quantity": 1},
        "preview": {"quantity": 1}, "collection": {"collected_by": "link"},
    }  # fmt: skip
    with no_row_changes():
        for action, body in bodies.items():
            refused(app_user.post(f"/subscriptions/{member.id}/{action}", body), 409, "subscription_ended")


def test_a_stores_membership_is_changed_in_the_store(app_user: AppUser, premium: Price) -> None:
    now = database_now()
    sold = Subscription.objects.create(
        user=app_user.user, rail="app_store", status="active", plan=premium.plan, store_reference="tx-1",
        period_number=1, period_started_at=now, period_ends_at=now + timedelta(days=30),
    )  # fmt: skip
    with no_row_changes():
        answer = refused(app_user.post("/subscriptions", {"price": premium.id}), 409, "already_subscribed")
        assert answer["sold_by"] == "app_store"
        assert answer["manage_url"].startswith("https://apps.apple.com/")
        for action in ("cancel", "pause", "resume", "unpause"):
            refused(app_user.post(f"/subscriptions/{sold.id}/{action}", {}), 409, "sold_elsewhere")


def test_the_database_allows_one_live_subscription(app_user: AppUser, account: GatewayAccount, premium: Price) -> None:
    member = join(app_user, premium)
    now = datetime(2026, 1, 1, tzinfo=UTC)
    with pytest.raises(IntegrityError, match="subscription_one_live"), transaction.atomic():
        Subscription.objects.create(
            user_id=member.user_id, plan=premium.plan, price=premium, currency="USD", status="active", due_at=now
        )


def test_money_left_over_pays_the_next_membership(app_user: AppUser, account: GatewayAccount, premium: Price) -> None:
    member = join(app_user, Price.objects.get(plan__code="platinum"))
    downgraded = do(app_user, member, "change", price=premium.id)
    assert downgraded["credit_minor"] > 2900
    assert (downgraded["plan"], downgraded["order"]) == ("premium", None)
    do(app_user, member, "cancel", when="now")
    run_background()
    refunded = sum(refund.amount_minor for refund in Refund.objects.filter(status="succeeded"))
    assert refunded >= 4998
    assert Subscription.objects.get(id=member.id).credit_minor == 0
    assert_books_are_whole()


def test_seats_are_within_what_the_plan_allows(app_user: AppUser, premium: Price) -> None:
    family = make_plan("family", tier="premium", seats=(3, 6))
    price = make_price(family, 2999, seat_amount_minor=500)
    for wrong in (2, 7):
        answer = app_user.post("/subscriptions", {"price": price.id, "quantity": wrong})
        bounds = refused(answer, 400, "quantity_not_offered")
        assert (bounds["seats_included"], bounds["seats_most"]) == (3, 6)
    made = subscribe(app_user, price, quantity=5)
    assert made["order"]["amount_minor"] == 3999
    assert [line["kind"] for line in made["invoice"]["lines"]] == ["plan", "seats"]
    assert subscribe(app_user, price)["quantity"] == 3


def test_the_history_is_never_rewritten(app_user: AppUser, premium: Price) -> None:
    subscribe(app_user, premium)
    change = SubscriptionChange.objects.get()
    with pytest.raises(Exception, match=r"append_only|Cannot update"), transaction.atomic():
        SubscriptionChange.objects.filter(id=change.id).update(reason="another")
