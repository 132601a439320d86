"""The risk desk in a real browser: a rule is written and tried, a held payment is looked at and let go."""

from datetime import timedelta

import pytest
from django.contrib.admin.utils import quote
from django.core.cache import cache
from django.test import Client
from playwright.sync_api import Page, expect

from merchants.models import Merchant
from paycore.clock import database_now, now
from paycore.money import Money
from payments.orders.charging import pay_order
from payments.orders.clearance import PayInstruction
from payments.orders.models import Payment
from payments.orders.services import OrderDraft, create_order
from payments.orders.syncing import sync_payment
from payments.routing.models import GatewayAccount
from riskcontrol.lists import add_entry
from riskcontrol.models import Case, Rating, RiskList, Rule
from riskcontrol.rules import forget_rules
from tests.browser.conftest import World
from tests.browser.test_consoles import press
from tests.merchants.factories import make_user

RISK = "ops/riskcontrol"


@pytest.fixture
def held(address: str, merchant: Merchant, account: GatewayAccount) -> Payment:
    """A payment that a rule sent to review."""
    cache.clear()
    Rule.objects.create(name="Large amounts", expression="amount_minor > 50000", action="review", mode="active")
    Rule.objects.create(name="By night", expression="hour_utc < 5", action="reject", mode="shadow")
    forget_rules()
    payer = make_user()
    draft = OrderDraft(merchant_id=merchant.id, amount=Money(90_000, "USD"), description="A camera", user_id=payer.id)
    return pay_order(create_order(draft), PayInstruction(method="card", options={"token": "tok_approve"}))


def sign_in_as_boss(page: Page, address: str) -> None:
    signed_in = Client()
    signed_in.force_login(make_user(is_staff=True, is_superuser=True))
    cookie = signed_in.cookies["sessionid"].value
    page.context.add_cookies([{"name": "sessionid", "value": cookie, "url": address}])
    page.goto(f"{address}/ops/")


def test_a_held_payment_is_looked_at_and_goes_on(page: Page, address: str, held: Payment, world: World) -> None:
    assert held.status == "created"
    sign_in_as_boss(page, address)
    page.get_by_role("link", name="Payments under review").click()
    page.get_by_role("link", name=Case.objects.get().id).click()
    expect(page.get_by_text("Large amounts")).to_be_visible()
    press(page, "Approve", submit="Approve", **{"What was found and done": "Known customer"})
    expect(page.get_by_text("Approved: the payment goes on.")).to_be_visible()

    world.settle()
    sync_payment(held.id, now=database_now())

    held.refresh_from_db()
    assert held.status == "succeeded"


def test_a_rule_is_tried_before_it_is_saved(page: Page, address: str, held: Payment) -> None:
    sign_in_as_boss(page, address)
    page.goto(f"{address}/{RISK}/rule/")
    page.get_by_role("link", name="Large amounts").click()
    page.get_by_label("Find a fact").fill("payer joined")
    expect(page.locator(".risk-facts dt:visible")).to_have_count(1)
    page.get_by_label("Condition").fill("amount_mino > 1")
    page.get_by_role("button", name="Try out").click()
    expect(page.get_by_text("Did you mean amount_minor?")).to_be_visible()
    page.get_by_label("Condition").fill("amount_minor > 80000")
    page.get_by_role("button", name="Try out").click()
    expect(page.get_by_text("Matches 1 of 1 decisions")).to_be_visible()

    page.get_by_role("button", name="Save", exact=True).click()

    expect(page.get_by_text("was changed successfully")).to_be_visible()
    assert Rule.objects.get(name="Large amounts").expression == "amount_minor > 80000"


@pytest.mark.parametrize(("width", "scheme"), [(390, "dark"), (1600, "light")])
def test_pages_of_the_risk_desk_fit_the_screen(
    page: Page, address: str, held: Payment, width: int, scheme: str
) -> None:
    case, rule = Case.objects.get(), Rule.objects.get(name="Large amounts")
    blocked = RiskList.objects.create(name="blocked_networks", effect="block")
    entry = add_entry(
        risk_list=blocked, kind="ip", value="2001:db8::/48", reason="Attack of last week", added_by_id=None,
        expires_at=now() + timedelta(days=3),
    )  # fmt: skip
    for days, score in ((9, 10), (1, 64)):
        reasons = {"disputes": 2, "refunds": 1, "hits": 4, "failures": 0, "attempts": 30, "points": {"disputes": 40}}
        rating = Rating.objects.create(
            user=make_user() if days == 9 else Rating.objects.get().user, score=score, grade="A" if days == 9 else "D",
            rated_on=now().date() - timedelta(days=days), reasons=reasons,
        )  # fmt: skip
    page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]  # one of two words
    page.set_viewport_size({"width": width, "height": 900})
    sign_in_as_boss(page, address)
    places = {
        "case": (case.id,), "decision": (case.facts["decision"],), "rule": (rule.id,), "risklist": (blocked.id,),
        "listentry": (entry.id,), "paymentlimit": (), "rating": (str(rating.pk),),
    }  # fmt: skip
    addresses = [f"{RISK}/{name}/" for name in places]
    addresses += [f"{RISK}/{name}/{quote(row)}/change/" for name, rows in places.items() for row in rows]
    addresses += [f"{RISK}/{name}/add/" for name in ("rule", "paymentlimit", "risklist", "listentry")]
    addresses.append(f"{RISK}/risklist/{blocked.id}/import/")
    too_wide = []
    for place in addresses:
        page.goto(f"{address}/{place}")
        expect(page.locator("#content-main, .risk-form").first).to_be_visible()
        if page.evaluate("document.documentElement.scrollWidth > window.innerWidth"):
            too_wide.append(place)
    assert too_wide == []
