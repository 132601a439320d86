"""A promotion code given with a change of plan: what it lowers, and when its slot is held, used and free."""

from typing import Any

import pytest
from django.test import Client

from memberships.models import Invoice, PlanChange, Price, Subscription
from merchants.models import Merchant
from payments.orders.models import Order
from payments.orders.services import cancel_order
from payments.promotions.models import Promotion, Redemption
from payments.promotions.services import discounts_for_renewals
from payments.routing.models import GatewayAccount
from tests.actors import AppUser, assert_books_are_whole, run_background
from tests.api.row_counts import no_row_changes
from tests.memberships.factories import make_catalogue, make_plan, make_price
from tests.memberships.joining import do, join, pay, subscribe, travel
from tests.payments.promotions.factories import make_promotion

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("account")]


@pytest.fixture(autouse=True)
def _sandbox(settings: Any) -> None:
    settings.PAYCORE_SANDBOX_MODE = True


@pytest.fixture
def premium(platform: Merchant) -> Price:
    return make_catalogue()


@pytest.fixture
def platinum(premium: Price) -> Price:
    return Price.objects.get(plan__code="platinum")


@pytest.fixture
def member(app_user: AppUser, premium: Price, account: GatewayAccount) -> Subscription:
    found = join(app_user, premium)
    travel(app_user, days=10)
    return found


def kinds(answer: Any) -> dict[str, int]:
    return {line["kind"]: line["amount_minor"] for line in answer["invoice"]["lines"]}


def states(promotion: Promotion) -> list[str]:
    promotion.refresh_from_db()
    return list(promotion.redemptions.order_by("id").values_list("status", flat=True))


def refused(user: AppUser, member: Subscription, code: str, price: Price, **more: Any) -> str:
    """By the preview and by the change alike, and neither leaves anything."""
    body = {"price": price.id, "promotion_code": code, **more}
    answers = []
    with no_row_changes(but=frozenset({"paycore_idempotencykey"})):
        for action in ("preview", "change"):
            answers.append(user.post(f"/subscriptions/{member.id}/{action}", body).json()["code"])
    assert len(set(answers)) == 1, answers
    return str(answers[0])


def test_the_preview_and_the_change_take_the_same_off_what_is_charged(
    app_user: AppUser, platform: Merchant, member: Subscription, platinum: Price
) -> None:
    promotion = make_promotion(platform, "UP20", max_uses=1)
    plain = do(app_user, member, "preview", price=platinum.id)
    with no_row_changes():
        quoted = do(app_user, member, "preview", price=platinum.id, promotion_code="up20")
    wish = {"price": platinum.id, "promotion_code": "UP20", "quoted_at": quoted["effective_at"]}
    changed = do(app_user, member, "change", **wish)
    charged = kinds(quoted)["plan"]
    off = (charged * 20 + 50) // 100
    assert quoted["invoice"]["discount_minor"] == changed["invoice"]["discount_minor"] == off
    assert changed["order"]["amount_minor"] == charged + kinds(quoted)["credit"] - off
    assert plain["invoice"]["discount_minor"] == 0
    use = Redemption.objects.get()
    assert (use.subject_id, use.status, use.amount_minor) == (member.id, "taken", off)
    pay(app_user, changed["order"])
    member.refresh_from_db()
    assert (member.plan.code, states(promotion), promotion.used) == ("platinum", ["used"], 1)
    assert_books_are_whole()


def test_the_first_periods_begin_with_the_upgrade(
    app_user: AppUser, platform: Merchant, member: Subscription, platinum: Price
) -> None:
    promotion = make_promotion(platform, "FIRST3", duration="periods", periods=3)
    changed = do(app_user, member, "change", price=platinum.id, promotion_code="FIRST3")
    use = promotion.redemptions.get()
    amounts = {member.id: platinum.amount}
    assert (use.periods_used, use.periods_left) == (1, 2)
    assert discounts_for_renewals([member.id], amounts=amounts) == {}, "nothing is lowered before the change is paid"
    pay(app_user, changed["order"])
    found = discounts_for_renewals([member.id], amounts=amounts)
    assert found[member.id][1].minor == (platinum.amount.minor * 20 + 50) // 100


def test_the_budget_is_held_for_whole_periods_to_come(
    app_user: AppUser, platform: Merchant, member: Subscription, platinum: Price
) -> None:
    terms = {"duration": "periods", "periods": 3, "budget_minor": 100_000, "budget_currency": platinum.currency}
    promotion = make_promotion(platform, "BUDGET", **terms)
    do(app_user, member, "change", price=platinum.id, promotion_code="BUDGET")
    use = promotion.redemptions.get()
    whole = (platinum.amount.minor * 20 + 50) // 100
    assert use.amount_minor < whole
    assert use.reserved_minor == use.amount_minor + 2 * whole


def test_a_change_that_is_not_paid_gives_its_slot_back_and_no_other(
    app_user: AppUser, platform: Merchant, premium: Price, platinum: Price
) -> None:
    at_start = make_promotion(platform, "START")
    member = join(app_user, premium, promotion_code="START")
    upgrade = make_promotion(platform, "UP20", max_uses=1)
    changed = do(app_user, member, "change", price=platinum.id, promotion_code="UP20")
    assert (states(at_start), states(upgrade)) == (["used"], ["taken"])
    cancel_order(changed["order"]["id"])
    run_background()
    assert (states(at_start), states(upgrade), upgrade.used) == (["used"], ["released"], 0)
    assert Invoice.objects.get(kind="change").status == "void"


def test_a_second_change_may_use_the_code_that_the_first_held(
    app_user: AppUser, platform: Merchant, member: Subscription, platinum: Price
) -> None:
    promotion = make_promotion(platform, "ONCE", max_uses=1, max_per_person=1)
    do(app_user, member, "change", price=platinum.id, promotion_code="ONCE")
    do(app_user, member, "preview", price=platinum.id, promotion_code="ONCE")
    do(app_user, member, "change", price=platinum.id, promotion_code="ONCE")
    assert (states(promotion), promotion.used) == (["released", "taken"], 1)
    assert sorted(PlanChange.objects.values_list("code_use__status", flat=True)) == ["released", "taken"]


@pytest.mark.parametrize("code", ["NOPE", "x" * 80, "UP😀", "<b>", "OTHERS", "OVER"])
def test_a_code_that_is_no_good_changes_nothing(
    app_user: AppUser, platform: Merchant, merchant: Merchant, member: Subscription, platinum: Price, code: str
) -> None:
    make_promotion(merchant, "OTHERS")
    make_promotion(platform, "OVER", max_uses=0)
    assert refused(app_user, member, code, platinum) == "promotion_code_not_valid"


def test_conditions_hold_for_a_change(
    app_user: AppUser, platform: Merchant, member: Subscription, platinum: Price
) -> None:
    make_promotion(platform, "PREMIUM", plans=["premium"])
    make_promotion(platform, "NEW", is_first_only=True)
    make_promotion(platform, "SHOP", applies_to="order")
    make_promotion(platform, "DAYS", kind="free_days", free_days=7)
    make_promotion(platform, "PLATINUM", plans=["platinum"])
    for code in ("PREMIUM", "NEW", "SHOP", "DAYS"):
        assert refused(app_user, member, code, platinum) == "promotion_not_applicable"
    assert do(app_user, member, "change", price=platinum.id, promotion_code="PLATINUM")["invoice"]["discount_minor"] > 0


def test_a_code_that_goes_on_stands_in_the_way_of_another_one_that_goes_alone(
    app_user: AppUser, platform: Merchant, premium: Price, platinum: Price
) -> None:
    make_promotion(platform, "ALWAYS", duration="forever")
    make_promotion(platform, "UP20")
    member = join(app_user, premium, promotion_code="ALWAYS")
    with no_row_changes(but=frozenset({"paycore_idempotencykey"})):
        body = {"price": platinum.id, "promotion_code": "UP20"}
        answer = app_user.post(f"/subscriptions/{member.id}/change", body)
    assert (answer.status_code, answer.json()["code"]) == (409, "promotion_not_combinable")


def test_a_code_in_a_trial_lowers_the_first_charge(
    app_user: AppUser, platform: Merchant, premium: Price, platinum: Price
) -> None:
    trial = make_price(make_plan("tried", tier="premium"), 1_000, trial_days=14)
    dearer = make_price(make_plan("tried-more", tier="premium"), 2_000, trial_days=14)
    promotion = make_promotion(platform, "UP20")
    member = Subscription.objects.get(id=subscribe(app_user, trial)["id"])
    changed = do(app_user, member, "change", price=dearer.id, promotion_code="UP20")
    assert (changed["status"], changed["order"], states(promotion)) == ("trialing", None, ["taken"])
    found = discounts_for_renewals([member.id], amounts={member.id: dearer.amount})
    assert found[member.id][1].minor == 400


def test_a_code_with_a_change_at_the_periods_end_is_refused(
    app_user: AppUser, platform: Merchant, member: Subscription, platinum: Price
) -> None:
    make_promotion(platform, "UP20")
    assert refused(app_user, member, "UP20", platinum, when="period_end") == "validation_failed"


def test_nobody_lowers_a_memberships_order_beside_its_invoice(
    app_user: AppUser, platform: Merchant, premium: Price
) -> None:
    """Not the member by the API, nor the platform's own server: the invoice says what it costs."""
    make_promotion(platform, "SHOP", applies_to="order")
    order = Order.objects.get(id=subscribe(app_user, premium)["order"]["id"])
    address = f"/orders/{order.id}/promotion-code"
    with no_row_changes(but=frozenset({"paycore_idempotencykey"})):
        answer = app_user.post(address, {"code": "SHOP"})
        off = Client().delete(f"/api/v1{address}", headers={"Authorization": f"Bearer {app_user.secret}"})
    assert (answer.status_code, answer.json()["code"]) == (409, "promotion_codes_not_allowed")
    assert off.status_code == 409
    order.refresh_from_db()
    assert (order.takes_codes, order.discount_minor) == (False, 0)
