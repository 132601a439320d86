"""A developer sets up webhooks in the merchant console, in a real browser."""

import pytest
from django.core.cache import cache
from playwright.sync_api import Page, expect

from merchants.models import Merchant
from merchants.webhooks.models import WebhookDelivery, WebhookEndpoint
from paycore.clock import database_now
from tests.browser.test_consoles import press
from tests.browser.test_signing_in import enter
from tests.merchants.factories import make_member
from tests.phone import Phone


@pytest.fixture(autouse=True)
def _forgets_earlier_sign_ins(address: str) -> None:
    cache.clear()


def test_an_endpoint_is_made_tried_out_and_its_log_read(page: Page, address: str, merchant: Merchant) -> None:
    user = make_member(merchant=merchant, role="developer").user
    enter(page, address, site="merchant", user=user, phone=Phone.of(user))
    page.goto(f"{address}/merchant/merchants/webhookendpoint/add/")
    page.get_by_label("Address").fill("https://10.0.0.1/hook")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text("not on the public internet")).to_be_visible()
    page.get_by_label("Address").fill("https://shop.example/hook")
    page.get_by_label("order.paid").check()
    page.get_by_role("button", name="Save", exact=True).click()

    endpoint = WebhookEndpoint.objects.get()
    expect(page.get_by_text(str(endpoint.secret))).to_be_visible()
    page.get_by_role("link", name="I have copied it").click()
    press(page, "Test", submit="Send")
    expect(page.get_by_text("The test event is on its way.")).to_be_visible()

    delivery = WebhookDelivery.objects.get()
    delivery.log.create(started_at=database_now(), duration_ms=81, status_code=500, error_code="status_not_2xx")
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(f"{address}/merchant/merchants/webhookdelivery/{delivery.id}/change/")
    expect(page.get_by_text("81 ms")).to_be_visible()
    is_wider = page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth + 1")
    assert not is_wider
