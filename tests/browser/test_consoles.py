"""Both consoles in a real browser: signing in, finding a payment, giving money back with two pairs of eyes."""

import re

import pytest
from django.contrib.admin.utils import quote
from django.core.cache import cache
from django.test import Client
from playwright.sync_api import Browser, Page, expect

from accounts.models import User
from merchants.models import Merchant
from paycore.money import Money
from payments.orders.charging import pay_order
from payments.orders.clearance import PayInstruction
from payments.orders.models import Payment, Refund
from payments.orders.services import OrderDraft, OrderLine, create_order
from payments.routing.models import GatewayAccount
from tests.browser.conftest import World, watch
from tests.browser.test_signing_in import enter
from tests.merchants.factories import make_member, make_user
from tests.phone import Phone


@pytest.fixture
def paid(address: str, merchant: Merchant, account: GatewayAccount) -> Payment:
    cache.clear()
    draft = OrderDraft(
        merchant_id=merchant.id,
        amount=Money(20_000, "USD"),
        description="Two notebooks",
        merchant_order_number="SHOP-77",
        lines=[OrderLine("Notebook", 20_000, 2)],
    )
    return pay_order(create_order(draft), PayInstruction(method="card", options={"token": "tok_approve"}))


def sign_in(page: Page, address: str, *, site: str, user: User) -> None:
    enter(page, address, site=site, user=user, phone=Phone.of(user))
    expect(page.get_by_role("heading", name="Overview")).to_be_visible()


def press(page: Page, action: str, *, submit: str, **fields: str) -> None:
    """Open an action's dialog, fill it in, send it."""
    page.locator("a[hx-get]", has_text=action).first.click()
    dialog = page.locator("#dialog")
    expect(dialog).to_be_visible()
    for label, value in fields.items():
        dialog.get_by_label(label).fill(value)
    dialog.get_by_role("button", name=submit).click()


def test_a_refund_goes_from_the_merchants_wish_to_the_payer(
    page: Page, browser: Browser, address: str, paid: Payment, merchant: Merchant, world: World
) -> None:
    sign_in(page, address, site="merchant", user=make_member(merchant=merchant, role="finance").user)
    expect(page.get_by_text("Paid today")).to_be_visible()
    page.goto(f"{address}/merchant/payments/payment/?q=SHOP-77")
    page.get_by_role("link", name=paid.id).click()
    press(page, "Request a refund", submit="Request", Amount="150.00", Reason="Came broken")
    expect(page.get_by_text("waits for the platform's review")).to_be_visible()

    context = browser.new_context(locale="en-US")
    desk = context.new_page()
    wrong = watch(desk, allowed=(f"{address}/", "data:"))
    sign_in(desk, address, site="ops", user=make_user(is_staff=True, is_superuser=True))
    desk.get_by_role("link", name=re.compile("Refunds to review")).click()
    desk.get_by_role("link", name=Refund.objects.get().id).click()
    press(desk, "Approve", submit="Approve", Note="Photo was clear")
    expect(desk.get_by_text("was approved and is being sent")).to_be_visible()
    context.close()
    assert wrong == []

    world.settle()
    page.reload()
    expect(page.locator(".paycore-panel").get_by_text("Succeeded")).to_be_visible()
    assert Payment.objects.get(id=paid.id).refunded_minor == 15_000


def test_a_wrong_amount_stays_in_the_dialog_and_says_why(page: Page, address: str, paid: Payment) -> None:
    sign_in(page, address, site="merchant", user=make_member(merchant=paid.order.merchant).user)
    page.goto(f"{address}/merchant/payments/payment/{quote(paid.id)}/change/")

    press(page, "Request a refund", submit="Request", Amount="200.01", Reason="Too much")

    expect(page.locator("#dialog").get_by_text("at most what is left")).to_be_visible()
    assert not Refund.objects.exists()


@pytest.mark.parametrize("width", [390, 1280])
def test_pages_of_the_operations_console_fit_the_screen(page: Page, address: str, paid: Payment, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 844})
    sign_in(page, address, site="ops", user=make_user(is_staff=True, is_superuser=True))
    row = f"payments/payment/{quote(paid.id)}/change/"

    for place in ("", "payments/order/", "payments/payment/", row, "payments/ledgeraccount/", "riskcontrol/case/"):
        page.goto(f"{address}/ops/{place}")
        assert page.evaluate("document.documentElement.scrollWidth") <= width, place
    page.goto(f"{address}/ops/{row}")
    expect(page.get_by_role("heading", name="In the books")).to_be_visible()


NEW_LISTS = {
    "ops": (
        "riskcontrol/rule", "riskcontrol/decision", "riskcontrol/listentry", "riskcontrol/rating",
        "reconciliation/statement", "reconciliation/discrepancy", "accounts/user", "merchants/merchant",
    ),
    "merchant": (
        "merchants/merchantdocument", "merchants/merchantmember", "merchants/invitation", "merchants/apikey",
        "merchants/webhookendpoint", "merchants/webhookdelivery", "merchants/webhookevent", "payments/refund",
    ),
}  # fmt: skip


@pytest.mark.parametrize("site", ["ops", "merchant"])
def test_lists_fit_a_dark_chinese_phone(browser: Browser, address: str, paid: Payment, site: str) -> None:
    signed_in = Client()
    staff, owner = make_user(is_staff=True, is_superuser=True), make_member(merchant=paid.order.merchant).user
    signed_in.force_login(staff if site == "ops" else owner)
    context = browser.new_context(locale="zh-CN", color_scheme="dark", viewport={"width": 390, "height": 844})
    context.add_cookies([{"name": "sessionid", "value": signed_in.cookies["sessionid"].value, "url": address}])
    page = context.new_page()
    wrong = watch(page, allowed=(f"{address}/", "data:"))
    for name in NEW_LISTS[site]:
        page.goto(f"{address}/{site}/{name}/")
        expect(page.locator("#changelist, #page").first).to_be_visible()
        assert page.evaluate("document.documentElement.scrollWidth") <= 390, name
    context.close()
    assert wrong == []


def test_the_console_speaks_chinese_to_a_chinese_browser(browser: Browser, address: str, paid: Payment) -> None:
    signed_in = Client()
    signed_in.force_login(make_user(is_staff=True, is_superuser=True))
    context = browser.new_context(locale="zh-CN")
    context.add_cookies([{"name": "sessionid", "value": signed_in.cookies["sessionid"].value, "url": address}])
    page = context.new_page()
    wrong = watch(page, allowed=(f"{address}/", "data:"))

    page.goto(f"{address}/ops/payments/payment/{quote(paid.id)}/change/")

    expect(page.locator("html")).to_have_attribute("lang", "zh-hans")
    expect(page.get_by_text("US$200.00").first).to_be_visible()
    context.close()
    assert wrong == []
