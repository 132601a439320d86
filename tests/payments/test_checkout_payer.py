"""What the hosted page offers to whom: saved methods and the wallet are the payer's only, and only once known."""

import re
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client

from merchants.models import Merchant
from paycore.clock import database_now
from payments.checkout import habits
from payments.checkout.app_links import is_app_address, link_back
from payments.checkout.models import CheckoutSession
from payments.checkout.payers import COOKIE
from payments.gateways.contract import SavedMethod
from payments.methods.models import PaymentMethod
from payments.methods.services import remember_method
from payments.orders.models import Payment
from payments.routing.models import GatewayAccount
from payments.routing.services import forget_accounts
from tests.actors import AppUser
from tests.payments.test_checkout_pages import text_of
from tests.payments.test_methods import order_of, save, saved

pytestmark = pytest.mark.django_db
WECHAT = "Mozilla/5.0 (iPhone) AppleWebKit/605 MicroMessenger/8.0.50"
PHONE = "Mozilla/5.0 (Linux; Android 14) Chrome/120 Mobile Safari/537"


@pytest.fixture(autouse=True)
def _world(account: GatewayAccount, platform: Merchant) -> None:
    """A gateway account that keeps cards, and the platform as who may charge."""


def opened(user: AppUser, merchant: Merchant, **more: str) -> dict[str, Any]:
    response = user.post("/checkout-sessions", {"order": order_of(user, merchant), **more})
    assert response.status_code == 201, response.content
    answer: dict[str, Any] = response.json()
    return answer


def path(session: dict[str, Any], *, with_token: bool = True) -> str:
    address = str(session["url"])
    return address[address.index("/pay/") :] if with_token else f"/pay/{session['id']}"


def offered(client: Client, session: dict[str, Any], **headers: str) -> list[str]:
    page = client.get(path(session, with_token=False), headers=headers).content.decode()
    return re.findall(r'name="method" value="([^"]+)"', page)


def test_payer_is_known_after_the_first_open_and_the_token_leaves_the_address(
    app_user: AppUser, merchant: Merchant
) -> None:
    card, session, browser = saved(app_user), opened(app_user, merchant), Client()
    first = browser.get(path(session))
    assert (first.status_code, first["Location"]) == (303, f"/pay/{session['id']}")
    cookie = first.cookies[COOKIE]
    assert (cookie["httponly"], cookie["path"], cookie["samesite"]) == (True, f"/pay/{session['id']}", "Lax")
    assert offered(browser, session)[0] == card["id"]
    assert "sandbox •••• " in text_of(browser.get(path(session, with_token=False))).lower()


def test_link_without_the_token_shows_nothing_saved_and_cannot_charge_it(app_user: AppUser, merchant: Merchant) -> None:
    card, session = saved(app_user), opened(app_user, merchant)
    stranger = Client()
    shown = stranger.get(path(session, with_token=False)).content.decode()
    row = PaymentMethod.objects.get(id=card["id"])
    assert card["id"] not in shown
    assert f"•••• {row.last4}" not in shown
    assert "save_card" not in shown
    answer = stranger.post(path(session, with_token=False), {"method": card["id"], "key": "k1"})
    assert answer.status_code == 404
    assert not Payment.objects.exists()


def test_token_is_good_once(app_user: AppUser, merchant: Merchant) -> None:
    card, session = saved(app_user), opened(app_user, merchant)
    Client().get(path(session))
    second = Client()
    assert COOKIE not in second.get(path(session)).cookies
    assert card["id"] not in offered(second, session)


def test_token_is_good_for_ten_minutes_and_for_its_own_session(app_user: AppUser, merchant: Merchant) -> None:
    saved(app_user)
    late, other = opened(app_user, merchant), opened(app_user, merchant)
    token = path(other).partition("?")[2]
    CheckoutSession.objects.filter(id=late["id"]).update(payer_token_expires_at=database_now() - timedelta(seconds=1))
    assert COOKIE not in Client().get(path(late)).cookies
    assert COOKIE not in Client().get(f"/pay/{late['id']}?{token}").cookies
    assert COOKIE in Client().get(path(other)).cookies


def test_cookie_of_one_session_opens_no_other(app_user: AppUser, merchant: Merchant) -> None:
    card, first, second = saved(app_user), opened(app_user, merchant), opened(app_user, merchant)
    browser = Client()
    browser.get(path(first))
    browser.cookies[COOKIE]["path"] = "/"
    assert offered(browser, first)[0] == card["id"]
    assert card["id"] not in offered(browser, second)


@pytest.mark.parametrize("token", ["", "x", "x" * 64, "x" * 5000, "%00", "é"])
def test_made_up_tokens_are_nothing(app_user: AppUser, merchant: Merchant, token: str) -> None:
    session = opened(app_user, merchant)
    answer = Client().get(f"/pay/{session['id']}", {"payer": token})
    assert answer.status_code in (303, 400)
    assert COOKIE not in answer.cookies
    assert CheckoutSession.objects.get(id=session["id"]).payer_token_hash is not None


def test_merchants_sessions_know_no_payer(merchant_server: Any, app_user: AppUser, merchant: Merchant) -> None:
    answer = merchant_server.post("/checkout-sessions", {"order": order_of(app_user, merchant)}).json()
    assert "?" not in answer["url"]
    assert CheckoutSession.objects.get(id=answer["id"]).payer_token_hash is None


def test_saved_card_pays_in_one_tap(app_user: AppUser, merchant: Merchant) -> None:
    card, session, browser = saved(app_user), opened(app_user, merchant), Client()
    browser.get(path(session))
    answer = browser.post(path(session, with_token=False), {"method": card["id"], "key": "k1"})
    assert answer.status_code == 303
    payment = Payment.objects.get()
    assert (payment.status, payment.payment_method_id, payment.method) == ("succeeded", card["id"], "card")


def test_card_of_another_person_is_not_there_for_a_known_payer(app_user: AppUser, merchant: Merchant) -> None:
    theirs = saved(AppUser.signed_in("eve@example.com"))
    session, browser = opened(app_user, merchant), Client()
    browser.get(path(session))
    assert browser.post(path(session, with_token=False), {"method": theirs["id"], "key": "k1"}).status_code == 404
    assert not Payment.objects.exists()


def test_saved_card_whose_account_cannot_take_it_is_not_offered(
    app_user: AppUser, merchant: Merchant, account: GatewayAccount
) -> None:
    card, session, browser = saved(app_user), opened(app_user, merchant), Client()
    browser.get(path(session))
    GatewayAccount.objects.filter(id=account.id).update(is_enabled=False)
    forget_accounts()
    assert card["id"] not in offered(browser, session)


def test_known_payer_may_save_what_is_paid_with_and_a_stranger_may_not(app_user: AppUser, merchant: Merchant) -> None:
    known, stranger = Client(), Client()
    first, second = opened(app_user, merchant), opened(app_user, merchant)
    known.get(path(first))
    form = {"method": "card", "token": "tok_approve", "save_card": "on", "key": "k1"}
    stranger.post(path(second, with_token=False), form)
    assert not PaymentMethod.objects.exists()
    known.post(path(first, with_token=False), form)
    assert PaymentMethod.objects.get().status == "active"
    assert set(Payment.objects.values_list("status", flat=True)) == {"succeeded"}


def test_wallet_cannot_be_spent_by_a_stranger_or_a_merchants_server(
    app_user: AppUser, merchant: Merchant, merchant_server: Any
) -> None:
    session = opened(app_user, merchant)
    Client().post(path(session, with_token=False), {"method": "wallet", "key": "k1"})
    answer = merchant_server.post("/payments", {"order": session["order"], "method": "wallet"})
    assert answer.status_code == 400
    assert not Payment.objects.exists()


# --- what works in this browser ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("agent", "openid", "expected"),
    [
        ("Mozilla/5.0 (X11; Linux)", "", {"card", "wechat_native"}),
        ("Mozilla/5.0 (X11; Linux)", "o-1", {"card", "wechat_native"}),
        (PHONE, "", {"card", "wechat_native", "wechat_h5"}),
        (WECHAT, "", {"card", "wechat_native"}),
        (WECHAT, "o-1", {"card", "wechat_native", "wechat_jsapi"}),
    ],
)
def test_only_what_this_browser_can_do_is_offered(
    app_user: AppUser, merchant: Merchant, account: GatewayAccount, agent: str, openid: str, expected: set[str]
) -> None:
    methods = ["card", "apple_pay", "wechat_app", "wechat_jsapi", "wechat_h5", "wechat_native", "alipay_mandate"]
    GatewayAccount.objects.filter(id=account.id).update(methods=methods)
    forget_accounts()
    session = opened(app_user, merchant, wechat_openid=openid) if openid else opened(app_user, merchant)
    assert set(offered(Client(), session, **{"User-Agent": agent})) == expected


def test_country_of_the_session_decides_what_is_eligible(
    app_user: AppUser, merchant: Merchant, account: GatewayAccount
) -> None:
    GatewayAccount.objects.filter(id=account.id).update(countries=["DE"])
    forget_accounts()
    assert offered(Client(), opened(app_user, merchant, country="DE"))
    assert offered(Client(), opened(app_user, merchant, country="FR")) == []


def test_habit_of_the_country_and_of_the_payer_orders_the_offers(app_user: AppUser, merchant: Merchant) -> None:
    for _ in range(2):
        body = {"order": order_of(app_user, merchant), "method": "sandbox_redirect", "payer": {"country": "DE"}}
        paid = app_user.post("/payments", body | {"options": {"sandbox": {"scenario": "approve"}}})
        assert paid.json()["status"] == "succeeded", paid.content
    habits._popularity.forget()
    assert offered(Client(), opened(app_user, merchant, country="DE"))[0] == "sandbox_redirect"
    assert offered(Client(), opened(app_user, merchant))[0] == "card"
    guessed = offered(Client(), opened(app_user, merchant), **{"Accept-Language": "de-DE,de;q=0.9"})
    assert guessed[0] == "sandbox_redirect"
    known, session = Client(), opened(app_user, merchant)
    known.get(path(session))
    assert offered(known, session)[0] == "sandbox_redirect"  # what this payer used last


def test_available_methods_name_the_callers_saved_ones(app_user: AppUser, merchant: Merchant) -> None:
    card = saved(app_user)
    save(app_user, scenario="require_action")
    order = order_of(app_user, merchant)
    shown = app_user.get("/payment-methods/available", order=order, country="US").json()
    assert [row["method"] for row in shown["methods"]] == ["card", "sandbox_redirect", "sandbox_qr"]
    assert shown["methods"][0] | {"icon": ""} == {"method": "card", "name": "Card", "icon": "", "can_be_saved": True}
    assert shown["saved"] == [card["id"]]
    assert AppUser.signed_in("eve@example.com").get("/payment-methods/available", order=order).status_code == 404
    assert app_user.get("/payment-methods/available", order=order, country="Germany").status_code == 400


# --- the way back to the app ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("address", ["https://shop.example/paid?x=1", "shopapp://paid", "com.shop.app:/paid/now"])
def test_app_addresses_are_taken_and_told_what_happened(app_user: AppUser, merchant: Merchant, address: str) -> None:
    session = opened(app_user, merchant, app_return_url=address)
    browser = Client()
    browser.post(path(session, with_token=False), {"method": "card", "key": "k1"})
    page = browser.get(path(session, with_token=False)).content.decode()
    expected = link_back(address, session_id=session["id"], status="paid").replace("&", "&amp;")
    assert f'href="{expected}"' in page
    assert "Return to the app" in page


@pytest.mark.parametrize(
    "address",
    [
        "javascript:alert(1)", "data:text/html,x", "http://shop.example/", "intent://x#Intent;end", "//shop.example",
        "https://", "https://a@b.example/", "shopapp://a b", 'shopapp://"x', "file:///etc/passwd", "tel:+123", "paid",
        "JavaScript:alert(1)", "blob:https://x", "shopapp://\u202epaid",
    ],
)  # fmt: skip
def test_other_addresses_are_refused(app_user: AppUser, merchant: Merchant, address: str) -> None:
    assert not is_app_address(address)
    order = order_of(app_user, merchant)
    assert app_user.post("/checkout-sessions", {"order": order, "app_return_url": address}).status_code == 400
    assert not CheckoutSession.objects.exists()


# --- pages of single methods ------------------------------------------------------------------------------------------


def waiting_with(session: dict[str, Any], method: str, action: dict[str, Any]) -> None:
    """The order's payment waits for the payer as some gateway would have it."""
    browser = Client()
    browser.post(path(session, with_token=False), {"method": "sandbox_redirect", "key": "k1"})
    empty = {"url": "", "qr_text": "", "app_parameters": {}, "expires_at": None}
    Payment.objects.filter(order_id=session["order"]).update(method=method, action={**empty, **action})


def test_card_form_is_the_only_page_that_loads_from_elsewhere_and_holds_no_ones_saved_cards(
    app_user: AppUser, merchant: Merchant
) -> None:
    session = opened(app_user, merchant)
    plain = Client().get(path(session, with_token=False))["Content-Security-Policy"]
    assert "stripe" not in plain
    secrets = {"client_secret": "pi_1_secret_2", "publishable_key": "pk_test_1", "customer_session": "cuss_secret_3"}
    waiting_with(session, "card", {"kind": "app", "app_parameters": secrets})
    response = Client().get(path(session, with_token=False))
    policy, page = response["Content-Security-Policy"], response.content.decode()
    assert "script-src 'self' https://js.stripe.com" in policy
    assert "frame-src https://js.stripe.com" in policy
    assert 'payment=(self "https://js.stripe.com")' in response["Permissions-Policy"]
    assert 'data-secret="pi_1_secret_2"' in page
    assert "cuss_secret_3" not in page
    assert "unsafe-inline" not in policy
    known = Client()
    known.get(path(session))
    assert "cuss_secret_3" in known.get(path(session, with_token=False)).content.decode()


def test_bank_transfer_shows_what_to_write_and_a_code_for_banking_apps(app_user: AppUser, merchant: Merchant) -> None:
    session = opened(app_user, merchant)
    words = {"iban": "DE89 3704 0044 0532 0130 00", "holder": "Corner Shop Ltd", "reference": "RF18 5390 0754"}
    waiting_with(session, "bank_transfer", {"kind": "bank_transfer", "qr_text": "BCD\n002\n1", "app_parameters": words})
    page = text_of(Client().get(path(session, with_token=False)))
    for expected in (*words.values(), "QR code for this transfer", 'data-copy="RF18 5390 0754"', "$19.99"):
        assert expected in page


def test_wechat_inside_hands_the_signed_parameters_to_the_bridge(app_user: AppUser, merchant: Merchant) -> None:
    session = opened(app_user, merchant)
    words = {"appId": "wx1", "timeStamp": "1", "nonceStr": "n", "package": "prepay_id=p", "signType": "RSA"}
    waiting_with(session, "wechat_jsapi", {"kind": "app", "app_parameters": {**words, "paySign": "s=="}})
    page = text_of(Client().get(path(session, with_token=False)))
    assert 'data-signature="s=="' in page
    assert "checkout_wechat" in page


def test_qr_code_says_until_when_it_is_good(app_user: AppUser, merchant: Merchant) -> None:
    session = opened(app_user, merchant)
    until = (database_now() + timedelta(minutes=5)).isoformat()
    waiting_with(session, "alipay_qr", {"kind": "qr_code", "qr_text": "https://qr.example/1", "expires_at": until})
    page = text_of(Client().get(path(session, with_token=False)))
    assert re.search(r"Good until</span> <time data-countdown", page)


def test_remembered_method_of_a_payment_shows_on_the_next_page(
    app_user: AppUser, merchant: Merchant, account: GatewayAccount
) -> None:
    row = remember_method(
        user_id=app_user.user.id,
        gateway_account_id=account.id,
        method="card",
        saved=SavedMethod(token="kept_1", brand="visa", last4="4242", expiry_month=4, expiry_year=2031),
        merchant_id=merchant.id,
    )
    session, browser = opened(app_user, merchant), Client()
    browser.get(path(session))
    page = text_of(browser.get(path(session, with_token=False)))
    assert row.id in page
    assert "Visa •••• 4242" in page
    assert "04/31" in page
