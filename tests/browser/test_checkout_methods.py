"""The hosted page by kinds of paying: a saved card, a code that runs out, a bank transfer, a provider's card form."""

import re
from datetime import timedelta
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from merchants.models import Merchant
from paycore.clock import database_now
from paycore.money import Money
from payments.checkout.models import CheckoutSession
from payments.checkout.payers import issue_payer_token
from payments.checkout.services import SessionDraft, create_session, session_url
from payments.gateways.contract import SavedMethod
from payments.methods.models import PaymentMethod
from payments.methods.services import remember_method
from payments.orders.models import Payment
from payments.orders.services import OrderDraft, create_order
from payments.routing.models import GatewayAccount
from tests.browser.conftest import World, watch
from tests.browser.test_checkout import choose, statuses, title_is
from tests.merchants.factories import make_user

FAKE_STRIPE = """
window.Stripe = (key, options) => ({
  elements: (wishes) => ({
    create: () => ({
      on(name, then) { if (name === "ready") this.ready = then; },
      mount(place) {
        document.querySelector(place).textContent = `form of ${key} for ${wishes.clientSecret}`;
        window.setTimeout(this.ready, 10);
      },
    }),
  }),
  confirmPayment: async (how) => {
    window.confirmed = how.confirmParams.return_url;
    return window.refuses ? { error: { message: "Your card number is incomplete." } } : {};
  },
});
"""


@pytest.fixture
def own_session(address: str, merchant: Merchant, account: GatewayAccount) -> CheckoutSession:
    """Of a signed-in user who saved a card."""
    user = make_user()
    remember_method(
        user_id=user.id,
        gateway_account_id=account.id,
        method="card",
        saved=SavedMethod(token="kept_1", brand="visa", last4="4242", expiry_month=4, expiry_year=2031),
        merchant_id=merchant.id,
    )
    draft = OrderDraft(merchant_id=merchant.id, amount=Money(1999, "USD"), description="Notebooks", user_id=user.id)
    return create_session(create_order(draft), SessionDraft(created_by="test"))


def wait_with(session: CheckoutSession, page: Page, method: str, action: dict[str, Any]) -> None:
    """Its payment waits for the payer as another gateway would have it."""
    page.goto(session_url(session))
    choose(page, "QR code")
    expect(page.get_by_role("img", name="QR code for this payment")).to_be_visible()
    empty = {"url": "", "qr_text": "", "app_parameters": {}, "expires_at": None}
    Payment.objects.filter(order_id=session.order_id).update(method=method, action={**empty, **action})


def test_saved_card_pays_in_one_tap_for_its_owner_only(
    page: Page, browser: Browser, own_session: CheckoutSession, world: World
) -> None:
    world.sandbox.keeps.create({"reference": "pm_x", "via": "card", "who": "usr_x"})
    [(token,)] = world.sandbox.book.rows("SELECT keep FROM keep")
    row = PaymentMethod.objects.get()
    row.token = token
    row.save(update_fields=["token"])
    stranger = browser.new_page()
    stranger.goto(session_url(own_session))
    expect(stranger.get_by_role("radio", name=re.compile("Card"))).to_be_visible()
    expect(stranger.get_by_text("4242")).to_have_count(0)
    stranger.close()

    page.goto(session_url(own_session, payer_token=issue_payer_token(own_session)))
    expect(page).to_have_url(session_url(own_session))
    expect(page.get_by_role("radio", name=re.compile("Visa •••• 4242"))).to_be_checked()
    page.get_by_role("button", name="Pay $19.99").click()
    title_is(page, "Payment received")
    assert statuses(own_session) == ["succeeded"]


def test_code_counts_down_and_the_page_says_when_it_is_over(page: Page, session: CheckoutSession) -> None:
    until = (database_now() + timedelta(seconds=90)).isoformat()
    wait_with(session, page, "alipay_qr", {"kind": "qr_code", "qr_text": "https://qr.example/1", "expires_at": until})
    page.reload()
    clock = page.locator("#stage [data-countdown]")
    expect(clock).to_have_text(re.compile(r"^1:\d\d$"))
    first = clock.text_content()
    expect(clock).not_to_have_text(first or "", timeout=5000)
    expect(clock).to_have_class(re.compile("is-soon"))


def test_bank_transfer_words_can_be_copied_one_by_one(page: Page, session: CheckoutSession) -> None:
    words = {"iban": "DE89 3704 0044 0532 0130 00", "holder": "Corner Shop Ltd", "reference": "RF18 5390 0754"}
    code = "BCD\n002\n1\nSCT\n\nCorner Shop Ltd\nDE89370400440532013000\nEUR19.99\n\nRF1853900754"
    wait_with(session, page, "bank_transfer", {"kind": "bank_transfer", "qr_text": code, "app_parameters": words})
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.reload()
    title_is(page, "Transfer the amount from your bank")
    expect(page.get_by_text("$19.99", exact=True).first).to_be_visible()
    button = page.get_by_role("button", name="Copy: Reference")
    button.click()
    expect(button).to_have_text("Copied")
    assert page.evaluate("navigator.clipboard.readText()") == words["reference"]
    expect(page.get_by_role("img", name="QR code for this transfer")).to_be_visible()
    page.set_viewport_size({"width": 360, "height": 740})
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


def test_card_form_of_the_provider_shows_its_errors_and_goes_on(
    page: Page, browser: Browser, session: CheckoutSession, address: str
) -> None:
    secrets = {"client_secret": "pi_1_secret_2", "publishable_key": "pk_test_1"}
    wait_with(session, page, "card", {"kind": "app", "app_parameters": secrets})
    page.goto("about:blank")
    other = browser.new_page()
    wrong = watch(other, allowed=(f"{address}/", "data:", "https://js.stripe.com/v3/"))
    other.route(
        "https://js.stripe.com/v3/", lambda route: route.fulfill(body=FAKE_STRIPE, content_type="text/javascript")
    )
    other.goto(session_url(session))
    expect(other.get_by_text("form of pk_test_1 for pi_1_secret_2")).to_be_visible()
    other.evaluate("window.refuses = true")
    other.get_by_role("button", name="Pay $19.99").click()
    expect(other.get_by_role("alert")).to_have_text("Your card number is incomplete.")
    other.evaluate("window.refuses = false")
    other.get_by_role("button", name="Pay $19.99").click()
    expect(other.locator("#card-problem")).to_be_hidden()
    assert other.evaluate("window.confirmed") == f"{session_url(session)}?returned=1"
    assert wrong == []
    other.goto("about:blank")
    other.close()
