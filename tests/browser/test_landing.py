"""The first page."""

import re

from playwright.sync_api import Page, expect

from merchants.models import Merchant
from payments.orders.models import Order
from payments.routing.models import GatewayAccount


def test_newcomer_takes_a_test_payment_from_the_first_page(
    page: Page, address: str, platform: Merchant, account: GatewayAccount
) -> None:
    page.goto(address)
    for place in ("/api/v1/docs", "/merchant/", "/ops/", "/readyz"):
        expect(page.locator(f"main a[href='{place}']").first).to_be_visible()
    page.get_by_role("button", name="Take a test payment").click()
    expect(page).to_have_title("Pay $19.99 · Paycore")
    page.get_by_role("button", name=re.compile("Pay")).click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Payment received")
    assert Order.objects.get().status == "paid"


def test_first_page_fits_a_phone(page: Page, address: str) -> None:
    page.set_viewport_size({"width": 320, "height": 640})
    page.goto(address)
    assert page.evaluate("document.documentElement.scrollWidth") <= 320
