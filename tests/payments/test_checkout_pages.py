"""The hosted payment page by HTTP alone: what it refuses, what it repeats, what it never shows."""

import json
import re
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client

from merchants.models import Merchant
from paycore.clock import now
from paycore.money import Money
from payments.checkout.models import CheckoutSession
from payments.checkout.pages import poll_delay_seconds, web_address
from payments.checkout.presentation import METHODS, TEST_CARDS, look_of
from payments.checkout.services import SessionDraft, create_session
from payments.gateways.sandbox.adapter import SandboxGateway
from payments.gateways.sandbox.provider.core import SandboxProvider
from payments.gateways.sandbox.provider.scripts import script_text
from payments.ledger.models import Transfer
from payments.orders.failure_texts import failure_text
from payments.orders.models import Order, Payment
from payments.orders.services import OrderDraft, OrderLine, cancel_order, create_order
from payments.routing.models import GatewayAccount
from payments.routing.services import forget_accounts
from tests.actors import deliver_callbacks, run_background

pytestmark = pytest.mark.usefixtures("account")


@pytest.fixture
def order(merchant: Merchant) -> Order:
    return create_order(
        OrderDraft(
            merchant_id=merchant.id,
            amount=Money(1999, "USD"),
            description="Two notebooks",
            lines=[OrderLine("Notebook", 1999, 2)],
        )
    )


@pytest.fixture
def session(order: Order) -> CheckoutSession:
    return create_session(order, SessionDraft(success_url="https://shop.example/thanks", created_by="test"))


def show(session: CheckoutSession, **headers: str) -> Any:
    return Client().get(f"/pay/{session.id}", headers=headers)


def pay(session: CheckoutSession, *, client: Client | None = None, **fields: str) -> Any:
    form = {"method": "card", "key": "page_1", **fields}
    return (client or Client()).post(f"/pay/{session.id}", form)


def text_of(response: Any) -> str:
    return re.sub(r"\s+", " ", response.content.decode())


def nothing_happened(session: CheckoutSession) -> bool:
    return not Payment.objects.filter(order_id=session.order_id).exists() and not Transfer.objects.exists()


def test_page_shows_what_is_paid_to_whom(session: CheckoutSession) -> None:
    response = show(session)
    page = text_of(response)
    assert response.status_code == 200
    for expected in ("Corner Shop", "$19.99", "Two notebooks", "× 2", session.order_id, "Online banking", "QR code"):
        assert expected in page
    assert re.search(r'value="card" required checked', page)


def test_amounts_have_the_decimals_of_their_currency(merchant: Merchant) -> None:
    draft = OrderDraft(merchant_id=merchant.id, amount=Money(12345, "KWD"), description="Gold")
    session = create_session(create_order(draft), SessionDraft())
    assert "12.345" in text_of(show(session))


@pytest.mark.parametrize("session_id", ["cs_nope", "cs_" + "0" * 26, "x" * 500, "cs_%00" + "0" * 25, "ord_" + "0" * 26])
def test_unknown_session_is_a_friendly_404(db: None, session_id: str) -> None:
    for address in (f"/pay/{session_id}", f"/pay/{session_id}/status"):
        response = Client().get(address)
        assert response.status_code == 404
        assert "This payment link does not exist" in text_of(response)
    assert Client().post(f"/pay/{session_id}", {"method": "card", "key": "k"}).status_code == 404


def test_paying_answers_303_and_the_page_then_shows_the_receipt(session: CheckoutSession) -> None:
    response = pay(session)
    assert (response.status_code, response["Location"]) == (303, f"/pay/{session.id}")
    page = text_of(show(session))
    assert "Payment received" in page
    assert 'href="https://shop.example/thanks"' in page
    assert Payment.objects.get(order_id=session.order_id).status == "succeeded"


def test_form_sent_twice_is_one_attempt_and_a_fresh_form_is_another(session: CheckoutSession) -> None:
    declined = {"token": "tok_decline_card_declined"}
    first, second = pay(session, **declined), pay(session, **declined)
    assert first.status_code == second.status_code == 303
    assert Payment.objects.filter(order_id=session.order_id).count() == 1
    pay(session, key="page_2", **declined)
    assert Payment.objects.filter(order_id=session.order_id).count() == 2


def test_second_form_while_the_first_is_under_way_starts_nothing(session: CheckoutSession) -> None:
    pay(session, method="sandbox_qr", key="page_1")
    response = pay(session, method="card", key="page_2")
    assert response.status_code == 303
    assert [payment.method for payment in Payment.objects.filter(order_id=session.order_id)] == ["sandbox_qr"]


def test_paid_order_is_not_paid_again(session: CheckoutSession) -> None:
    pay(session)
    assert pay(session, key="page_2").status_code == 303
    assert Payment.objects.filter(order_id=session.order_id).count() == 1


def test_redirect_goes_on_by_itself_only_right_after_the_form(session: CheckoutSession) -> None:
    assert pay(session, method="sandbox_redirect")["Location"] == f"/pay/{session.id}?go=1"
    payment = Payment.objects.get(order_id=session.order_id)
    assert payment.action is not None
    assert f'href="{payment.action["url"]}" data-go' in text_of(show(session))
    assert payment.return_url == f"http://testserver/pay/{session.id}?returned=1"


@pytest.mark.parametrize(
    ("fields", "status", "says"),
    [
        ({"key": ""}, 400, "Idempotency-Key"),
        ({"key": "ключ"}, 400, "Idempotency-Key"),
        ({"key": "k" * 300}, 400, "Idempotency-Key"),
        ({"method": ""}, 422, "Choose another way to pay"),
        ({"method": "magic"}, 422, "Choose another way to pay"),
        ({"method": "card\x00"}, 422, "Choose another way to pay"),
        ({"method": "4242 4242 4242 4242"}, 400, "Card numbers must not be sent here"),
        ({"token": "4242424242424242"}, 400, "Card numbers must not be sent here"),
    ],
)
def test_bad_form_is_refused_on_a_page_and_changes_nothing(
    session: CheckoutSession, fields: dict[str, str], status: int, says: str
) -> None:
    response = pay(session, **fields)
    assert response.status_code == status
    assert says in text_of(response)
    assert nothing_happened(session)


def test_form_from_elsewhere_is_refused(session: CheckoutSession) -> None:
    response = pay(session, client=Client(enforce_csrf_checks=True))
    assert response.status_code == 403
    assert nothing_happened(session)


def test_form_of_the_page_itself_passes_the_csrf_check(session: CheckoutSession) -> None:
    client = Client(enforce_csrf_checks=True)
    page = client.get(f"/pay/{session.id}").content.decode()
    fields = dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]+)"', page))
    assert client.post(f"/pay/{session.id}", {"method": "card", **fields}).status_code == 303
    assert Payment.objects.get(order_id=session.order_id).status == "succeeded"


def test_too_many_attempts_are_stopped_before_the_provider(session: CheckoutSession, settings: Any) -> None:
    settings.PAYCORE_THROTTLE_RATES = {"pay_page": "1/hour"}
    pay(session, token="tok_decline_card_declined")
    response = pay(session, key="page_2")
    assert response.status_code == 429
    assert "Wait a minute and try again" in text_of(response)
    assert Payment.objects.filter(order_id=session.order_id).count() == 1


def test_expired_order_offers_nothing_and_takes_nothing(session: CheckoutSession) -> None:
    Order.objects.filter(id=session.order_id).update(expires_at=now() - timedelta(seconds=1))
    page = text_of(show(session))
    assert "The time to pay is over" in page
    assert 'name="method"' not in page
    assert pay(session).status_code == 303
    assert nothing_happened(session)


def test_canceled_order_says_so(session: CheckoutSession) -> None:
    cancel_order(session.order_id)
    assert "This order was canceled" in text_of(show(session))


def test_without_any_method_the_payer_is_told(session: CheckoutSession, account: GatewayAccount) -> None:
    GatewayAccount.objects.filter(id=account.id).update(is_enabled=False)
    forget_accounts()
    page = text_of(show(session))
    assert "There is no way to pay this amount right now" in page
    assert 'type="submit"' not in page


def test_decline_is_told_in_the_payers_language(session: CheckoutSession) -> None:
    pay(session, token="tok_decline_expired_card")
    assert "This card has expired" in text_of(show(session))
    assert "此卡已过期" in text_of(show(session, accept_language="zh-CN,zh;q=0.9"))


def test_holder_of_a_stolen_card_learns_only_that_it_was_declined(session: CheckoutSession) -> None:
    pay(session, token="tok_decline_card_declined")
    plain = failure_text("card_declined")
    assert failure_text("lost_or_stolen") == failure_text("suspected_fraud") == failure_text("never heard of") == plain
    assert failure_text("insufficient_funds") != plain


def test_unreachable_provider_is_a_failure_that_says_nothing_was_charged(session: CheckoutSession) -> None:
    pay(session, token="tok_unavailable")
    assert "Nothing was charged" in text_of(show(session))


def test_silence_of_the_provider_is_shown_as_processing_until_it_is_known(
    session: CheckoutSession, sandbox: SandboxProvider
) -> None:
    pay(session, token="tok_timeout_after_effect")
    page = text_of(show(session))
    assert "Your payment is being processed" in page
    assert '<noscript><meta http-equiv="refresh"' in page
    assert 'name="method"' not in page
    deliver_callbacks(sandbox)
    run_background()
    assert "Payment received" in text_of(show(session))


def test_held_amount_is_called_authorized(merchant: Merchant) -> None:
    draft = OrderDraft(merchant_id=merchant.id, amount=Money(1999, "USD"), description="Chair", capture_method="manual")
    session = create_session(create_order(draft), SessionDraft())
    pay(session)
    assert "Payment authorized" in text_of(show(session))


def test_status_says_nothing_but_when_to_ask_again_until_there_is_news(
    session: CheckoutSession, sandbox: SandboxProvider
) -> None:
    pay(session, method="sandbox_qr")
    poller = re.search(r'hx-get="([^"]+)"', show(session).content.decode())
    assert poller is not None
    address = poller[1].replace("&amp;", "&")
    client = Client(headers={"HX-Request": "true"})
    quiet = client.get(address)
    assert "polls=1" in text_of(quiet)
    assert "stage" not in text_of(quiet)
    assert "HX-Retarget" not in quiet
    sandbox.approve(Payment.objects.get(order_id=session.order_id).id)
    deliver_callbacks(sandbox)
    run_background()
    news = client.get(address)
    assert (news["HX-Retarget"], news["HX-Reswap"]) == ("#stage", "outerHTML")
    assert "Payment received" in text_of(news)
    assert "hx-get" not in text_of(news)


def test_status_opened_by_hand_leads_to_the_page(session: CheckoutSession) -> None:
    response = Client().get(f"/pay/{session.id}/status?polls=x&state=%00")
    assert (response.status_code, response["Location"]) == (303, f"/pay/{session.id}")


def test_polling_slows_down_and_has_a_floor() -> None:
    waits = [poll_delay_seconds("waiting", polls=polls) for polls in range(60)]
    assert waits[:16] == [2] * 16
    assert waits == sorted(waits)
    assert waits[-1] == 10
    assert poll_delay_seconds("choose", polls=0) == 10
    assert poll_delay_seconds("choose", polls=10_000) == 30


def test_turning_back_closes_the_waiting_attempt_but_no_other(session: CheckoutSession) -> None:
    pay(session, method="sandbox_redirect")
    assert Client().post(f"/pay/{session.id}/other-way").status_code == 303
    assert Payment.objects.get(order_id=session.order_id).status == "canceled"
    assert "How would you like to pay?" in text_of(show(session))
    pay(session, token="tok_timeout_after_effect", key="page_2")
    Client().post(f"/pay/{session.id}/other-way")
    assert Payment.objects.filter(order_id=session.order_id).order_by("-id")[0].status == "submitting"


def test_test_cards_exist_only_in_the_sandbox(session: CheckoutSession, settings: Any) -> None:
    assert "Test card" in text_of(show(session))
    settings.PAYCORE_SANDBOX_MODE = False
    page = text_of(show(session))
    assert "Test card" not in page
    assert "Test mode" not in page
    pay(session, token="tok_decline_card_declined")
    payment = Payment.objects.get(order_id=session.order_id)
    assert (payment.status, payment.request_options) == ("succeeded", {})


def test_test_cards_are_not_offered_for_another_provider(session: CheckoutSession) -> None:
    """Its trial server would take the sandbox's token for a card of its own, and refuse it."""
    first = {"gateway": "stripe", "base_url": "https://api.stripe.com", "methods": ["card"], "priority": 1}
    GatewayAccount.objects.create(name="Stripe", credentials={"secret_key": "sk_test_1"}, **first)
    forget_accounts()
    page = text_of(show(session))
    assert "Debit or credit card" in page
    assert "Test card" not in page


def test_only_listed_tokens_are_passed_on(session: CheckoutSession) -> None:
    pay(session, token="tok_reject")
    assert Payment.objects.get(order_id=session.order_id).request_options == {}


def test_every_test_card_is_known_to_the_sandbox() -> None:
    for card in TEST_CARDS:
        assert json.loads(script_text(sandbox=None, token=card.token))["scenario"]


def test_every_method_has_a_name_and_a_picture_and_a_new_one_gets_some() -> None:
    assert set(SandboxGateway.methods) <= set(METHODS)
    assert look_of("gift_voucher").name == "Gift voucher"


@pytest.mark.parametrize("address", ["javascript:alert(1)", "data:text/html,x", "//evil.example", "http://[", ""])
def test_only_web_addresses_become_links(address: str) -> None:
    assert web_address(address) == ""
    assert web_address("https://shop.example/a?b=c") == "https://shop.example/a?b=c"


def test_names_are_text_and_never_markup(session: CheckoutSession) -> None:
    Merchant.objects.filter(id=session.order.merchant_id).update(name="<script>alert(1)</script>")
    page = show(session).content.decode()
    assert "<script>alert(1)" not in page
    assert "&lt;script&gt;alert(1)" in page


def test_policy_forbids_inline_code_and_the_page_has_none(session: CheckoutSession) -> None:
    for method in ("", "sandbox_qr"):
        if method:
            pay(session, method=method)
        response = show(session)
        page = response.content.decode()
        assert "unsafe" not in response["Content-Security-Policy"]
        assert "default-src 'none'" in response["Content-Security-Policy"]
        assert not re.search(r"\sstyle=|\son[a-z]+=|<style|javascript:|hx-on", page)
        assert all("src=" in script for script in re.findall(r"<script[^>]*>", page))
        assert set(re.findall(r'(?:src|href)="(https?:)?//', page)) <= {"https:", "http:"}
        assert not re.search(r'<(?:link|script|img)[^>]+(?:src|href)="(?:https?:)?//', page)
        assert "no-store" in response["Cache-Control"]
        assert response["Referrer-Policy"] == "same-origin"


def test_language_is_remembered_and_leaves_the_address(session: CheckoutSession) -> None:
    client = Client()
    response = client.get(f"/pay/{session.id}?returned=1&lang=zh-hans")
    assert (response.status_code, response["Location"]) == (302, f"/pay/{session.id}?returned=1")
    assert "选择支付方式" in text_of(client.get(f"/pay/{session.id}"))
    client.get(f"/pay/{session.id}?lang=tlh")
    assert "选择支付方式" in text_of(client.get(f"/pay/{session.id}"))


def test_first_page_offers_a_test_payment_only_in_the_sandbox(db: None, platform: Merchant, settings: Any) -> None:
    response = Client().post("/try")
    order = Order.objects.get()
    assert response.status_code == 303
    assert (order.merchant_id, order.amount) == (platform.id, Money(1999, "USD"))
    settings.PAYCORE_SANDBOX_MODE = False
    assert Client().post("/try").status_code == 404
    assert Order.objects.count() == 1
    page = text_of(Client().get("/"))
    assert "Take a test payment" not in page
    assert "Sandbox provider" not in page


def test_test_payment_without_a_platform_merchant_is_a_page_and_no_order(db: None) -> None:
    response = Client().post("/try")
    assert response.status_code == 404
    assert "text/html" in response["Content-Type"]
    assert not Order.objects.exists()


def test_demo_logins_are_named_in_the_sandbox_only(db: None, settings: Any, tmp_path: Any) -> None:
    settings.STATE_DIR = tmp_path
    assert "Demo logins" not in text_of(Client().get("/"))
    logins = [{"who": "Staff", "login": "ops@x.example", "password": "<b>", "address": "/ops/"}, "nonsense"]
    (tmp_path / "demo.json").write_text(json.dumps({"logins": logins}))
    page = text_of(Client().get("/"))
    assert "ops@x.example" in page
    assert "&lt;b&gt;" in page
    (tmp_path / "demo.json").write_text("{")
    assert Client().get("/").status_code == 200
    (tmp_path / "demo.json").write_text(json.dumps({"logins": logins}))
    settings.PAYCORE_SANDBOX_MODE = False
    assert "ops@x.example" not in text_of(Client().get("/"))
