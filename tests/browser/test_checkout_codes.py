"""The field for a promotion code, as a payer meets it."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from merchants.models import Merchant
from paycore.money import Money
from payments.checkout.models import CheckoutSession
from payments.checkout.services import SessionDraft, create_session, session_url
from payments.orders.models import Order, Payment
from payments.orders.services import OrderDraft, OrderLine, create_order
from payments.promotions.models import Redemption
from payments.routing.models import GatewayAccount
from tests.actors import assert_books_are_whole
from tests.browser.conftest import watch
from tests.payments.promotions.factories import make_promotion


@pytest.fixture
def session(address: str, merchant: Merchant, account: GatewayAccount) -> CheckoutSession:
    make_promotion(merchant)
    draft = OrderDraft(
        merchant_id=merchant.id,
        amount=Money(2_000, "USD"),
        description="Two notebooks",
        lines=[OrderLine("Notebook", 2_000, 2)],
        takes_codes=True,
    )
    return create_session(create_order(draft), SessionDraft(created_by="test", allows_codes=True))


@pytest.fixture
def tab(browser: Browser, address: str) -> Iterator[Page]:
    """Nothing goes wrong in it but refusals, which the browser notes as well."""
    context = browser.new_context()
    page = context.new_page()
    page.set_default_timeout(8000)
    wrong = watch(page, allowed=(f"{address}/", "data:"))
    yield page
    context.close()
    assert [message for message in wrong if not re.search(r"status of (409|422) ", message)] == []


def add(page: Page, code: str) -> None:
    field = page.get_by_label("Promotion code", exact=True)
    if not field.is_visible():
        page.get_by_text("Add a promotion code").click()
    field.fill(code)
    page.get_by_role("button", name="Apply").click()


def test_a_code_is_added_removed_and_added_again_and_paid(tab: Page, session: CheckoutSession) -> None:
    page = tab
    page.goto(session_url(session))
    expect(page.get_by_label("Promotion code", exact=True)).to_be_hidden()
    add(page, "nonsense")
    expect(page.get_by_role("alert")).to_contain_text("This code cannot be used")
    expect(page.get_by_label("Promotion code", exact=True)).to_have_value("nonsense")
    add(page, "welcome20")
    expect(page.get_by_role("button", name="Pay $16.00")).to_be_visible()
    expect(page.locator(".summary")).to_contain_text("-$4.00")
    page.get_by_role("button", name="Remove WELCOME20").click()
    expect(page.get_by_role("button", name="Pay $20.00")).to_be_visible()
    add(page, "WELCOME20")
    page.get_by_role("radio", name=re.compile("Card")).check()
    page.get_by_role("button", name="Pay $16.00").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Payment received")
    assert Payment.objects.get(order_id=session.order_id).amount_minor == 1_600
    assert sorted(Redemption.objects.values_list("status", flat=True)) == ["released", "taken"]
    assert_books_are_whole()


def test_the_other_window_follows_the_total(tab: Page, session: CheckoutSession) -> None:
    tab.goto(session_url(session))
    other = tab.context.new_page()
    other.goto(session_url(session))
    add(other, "WELCOME20")
    expect(other.get_by_role("button", name="Pay $16.00")).to_be_visible()
    expect(tab.get_by_role("button", name="Pay $16.00")).to_be_visible(timeout=60_000)  # it asks every ten seconds
    expect(tab.locator(".summary")).to_contain_text("-$4.00")
    assert not Payment.objects.exists()


@pytest.mark.parametrize("width", [390, 1280])
def test_the_field_works_without_scripts_and_nothing_overflows(
    browser: Browser, session: CheckoutSession, width: int
) -> None:
    context = browser.new_context(java_script_enabled=False, viewport={"width": width, "height": 800})
    page = context.new_page()
    page.goto(session_url(session))
    add(page, "WELCOME20")
    expect(page.get_by_role("button", name="Pay $16.00")).to_be_visible()
    box = page.locator(".code-taken").bounding_box()
    assert box is not None
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= width
    context.close()
    assert Order.objects.get(id=session.order_id).amount_minor == 1_600
