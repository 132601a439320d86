"""Paying with saved methods: in one tap, by a merchant's server under a mandate, never with anybody else's."""

from datetime import timedelta
from typing import Any

import pytest

from accounts.models import User
from merchants.models import Merchant
from paycore.clock import database_now
from paycore.fresh import forget_everything
from paycore.money import Money
from payments.gateways.contract import SavedMethod
from payments.gateways.sandbox.provider.core import SandboxProvider
from payments.gateways.sandbox.transport import SandboxTransport
from payments.methods.errors import MandateRequired
from payments.methods.models import GatewayCustomer, Mandate, PaymentMethod
from payments.methods.queries import ready_methods, token_of
from payments.methods.services import remember_method, require_mandate
from payments.orders.holds import release_held
from payments.orders.models import Payment
from payments.orders.presentation import present_payment
from payments.orders.services import OrderDraft, create_order
from payments.routing.models import GatewayAccount
from riskcontrol.models import Rule
from tests.actors import AppUser, MerchantServer, assert_books_are_whole, run_background, sync
from tests.api.row_counts import no_row_changes
from tests.payments.test_methods import CONSENT, delete, order_of, save, saved

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _world(account: GatewayAccount, platform: Merchant) -> None:
    """A gateway account that keeps cards, and the platform as who may charge."""


def test_saved_card_pays_in_one_tap(app_user: AppUser, merchant: Merchant) -> None:
    card = saved(app_user)
    answer = app_user.post("/payments", {"order": order_of(app_user, merchant), "payment_method": card["id"]})
    paid = answer.json()
    assert (paid["status"], paid["method"], paid["payment_method"]) == ("succeeded", "card", card["id"])
    assert PaymentMethod.objects.get(id=card["id"]).last_used_at is not None
    run_background()
    assert_books_are_whole()


def test_somebody_elses_saved_card_does_not_exist(app_user: AppUser, merchant: Merchant) -> None:
    card = saved(app_user)
    eve = AppUser.signed_in("eve@example.com")
    order = order_of(eve, merchant)
    with no_row_changes():
        assert eve.post("/payments", {"order": order, "payment_method": card["id"]}).status_code == 404


def test_removed_or_unfinished_method_cannot_be_charged(app_user: AppUser, merchant: Merchant) -> None:
    order = order_of(app_user, merchant)
    pending = save(app_user, scenario="require_action").json()
    with no_row_changes():
        refused = app_user.post("/payments", {"order": order, "payment_method": pending["id"]})
    assert (refused.status_code, refused.json()["code"]) == (409, "payment_method_not_ready")
    assert Payment.objects.count() == 0


def test_repeat_of_a_payment_is_answered_after_its_method_was_removed(app_user: AppUser, merchant: Merchant) -> None:
    card = saved(app_user)
    body = {"order": order_of(app_user, merchant), "payment_method": card["id"]}
    first = app_user.post("/payments", body, key="k1")
    assert delete(app_user, f"/payment-methods/{card['id']}").status_code == 204
    assert app_user.post("/payments", body, key="k1").content == first.content


def test_merchants_server_charges_unasked_only_by_a_mandate_and_within_it(
    app_user: AppUser, merchant: Merchant, merchant_server: MerchantServer
) -> None:
    card = saved(app_user, mandate=CONSENT, merchant=merchant.id)

    def charge(amount_minor: int) -> Any:
        details = {"currency": "USD", "amount_minor": amount_minor, "description": "Renewal"}
        body = {"order_details": details, "payment_method": card["id"], "off_session": True}
        return merchant_server.post("/payments", body)

    paid = charge(5000)
    assert (paid.json()["status"], paid.json()["off_session"]) == ("succeeded", True)
    with no_row_changes():
        above = charge(5001)
    assert (above.status_code, above.json()["code"]) == (409, "mandate_required")
    assert delete(app_user, f"/mandates/{Mandate.objects.get().id}").status_code == 200
    with no_row_changes():
        ended = charge(100)
    assert (ended.status_code, ended.json()["code"]) == (409, "mandate_required")


def test_merchant_without_a_mandate_neither_sees_nor_charges_a_method(
    app_user: AppUser, merchant_server: MerchantServer
) -> None:
    card = saved(app_user, mandate=CONSENT)  # the platform's
    details = {"currency": "USD", "amount_minor": 100, "description": "Renewal"}
    assert merchant_server.get("/payment-methods").json()["data"] == []
    with no_row_changes():
        assert merchant_server.get(f"/payment-methods/{card['id']}").status_code == 404
        charge = {"order_details": details, "payment_method": card["id"], "off_session": True}
        assert merchant_server.post("/payments", charge).status_code == 404


def test_merchant_sees_its_own_mandates_only(
    app_user: AppUser, merchant: Merchant, merchant_server: MerchantServer
) -> None:
    saved(app_user, mandate=CONSENT)
    again = save(app_user, mandate=CONSENT, merchant=merchant.id).json()
    [row] = merchant_server.get("/payment-methods").json()["data"]
    assert row["id"] == again["merged_into"]
    assert [mandate["merchant"] for mandate in row["mandates"]] == [merchant.id]


def test_unasked_charge_that_needs_the_payer_fails_and_the_payer_can_confirm_it(
    app_user: AppUser, merchant: Merchant, merchant_server: MerchantServer, sandbox: SandboxProvider
) -> None:
    card = saved(app_user, scenario="absent_needs_proof", mandate=CONSENT, merchant=merchant.id)
    details = {"currency": "USD", "amount_minor": 100, "description": "Renewal"}
    charge = {"order_details": details, "payment_method": card["id"], "off_session": True}
    failed = merchant_server.post("/payments", charge).json()
    assert (failed["status"], failed["failure_code"]) == ("failed", "authentication_required")
    assert failed["failure"]["retry"] == "ask_payer"
    there = app_user.post("/payments", {"order": order_of(app_user, merchant), "payment_method": card["id"]}).json()
    assert there["status"] == "requires_action"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"off_session": True, "payment_method": "pm_x"}, "off_session"),
        ({"save_method": True, "payment_method": "pm_x"}, "save_method"),
        ({"method": "card", "mandate": CONSENT}, "mandate"),
        ({"method": "card", "payer": {"country": "XX"}}, "payer"),
        ({}, "method"),
    ],
)
def test_requests_to_pay_that_make_no_sense_are_refused(
    app_user: AppUser, merchant: Merchant, body: dict[str, Any], field: str
) -> None:
    order = order_of(app_user, merchant)
    with no_row_changes():
        refused = app_user.post("/payments", {"order": order, **body})
    assert refused.status_code == 400, refused.content
    assert field in str(refused.json()["errors"])


def test_merchants_server_cannot_save_for_somebody(merchant_server: MerchantServer) -> None:
    order = merchant_server.create_order()
    with no_row_changes():
        refused = merchant_server.post("/payments", {"order": order["id"], "method": "card", "save_method": True})
    assert refused.status_code == 400


def test_merchants_server_stays_within_the_mandate_whatever_it_says_of_the_session(
    app_user: AppUser, merchant: Merchant, merchant_server: MerchantServer
) -> None:
    """Whether the payer is there, a merchant's server can only claim."""
    card = saved(app_user, mandate=CONSENT, merchant=merchant.id)
    details = {"currency": "USD", "amount_minor": 5001, "description": "Renewal"}
    with no_row_changes():
        above = merchant_server.post("/payments", {"order_details": details, "payment_method": card["id"]})
    assert (above.status_code, above.json()["code"]) == (409, "mandate_required")
    assert Payment.objects.count() == 0


def test_removed_method_has_no_token_for_a_repeat_although_the_provider_is_still_to_forget_it(
    app_user: AppUser, sandbox_transport: SandboxTransport
) -> None:
    card = saved(app_user)
    assert token_of(card["id"]) is not None
    sandbox_transport.is_reachable = False
    assert delete(app_user, f"/payment-methods/{card['id']}").status_code == 204
    assert PaymentMethod.objects.get(id=card["id"]).token is not None
    assert token_of(card["id"]) is None


@pytest.mark.parametrize("ends", ["mandates", "payment-methods"])
def test_held_charge_is_not_sent_after_its_payer_withdrew(
    app_user: AppUser, merchant: Merchant, merchant_server: MerchantServer, sandbox: SandboxProvider, ends: str
) -> None:
    card = saved(app_user, mandate=CONSENT, merchant=merchant.id)
    Rule.objects.create(name="look", expression="amount_minor > 1000", action="review", mode="active")
    forget_everything()
    details = {"currency": "USD", "amount_minor": 2000, "description": "Renewal"}
    charge = {"order_details": details, "payment_method": card["id"], "off_session": True}
    held = merchant_server.post("/payments", charge).json()
    assert held["status"] == "created"
    ended = Mandate.objects.get().id if ends == "mandates" else card["id"]
    assert delete(app_user, f"/{ends}/{ended}").status_code in (200, 204)
    release_held(held["id"])
    assert sync(held["id"]) == "canceled"
    assert sandbox.book.find_txn(held["id"]) is None
    assert_books_are_whole()


def test_method_that_a_late_payment_of_an_erased_person_saved_is_forgotten(
    app_user: AppUser, account: GatewayAccount, merchant: Merchant
) -> None:
    gone = {"closed_at": database_now(), "erased_at": database_now(), "is_active": False, "email": None, "phone": None}
    User.objects.filter(id=app_user.user.id).update(**gone)
    remember_method(
        user_id=app_user.user.id,
        gateway_account_id=account.id,
        method="card",
        saved=SavedMethod(token="late", customer_reference="cus_1", brand="visa", last4="4242"),
        merchant_id=merchant.id,
    )
    [row] = PaymentMethod.objects.all()
    assert (row.status, row.token, row.last4, row.brand) == ("removed", "late", "", "")
    assert row.next_attempt_at is not None
    assert ready_methods(app_user.user.id) == []
    assert GatewayCustomer.objects.count() == 0


def test_what_opens_the_payers_saved_methods_is_shown_to_the_payer_alone(
    app_user: AppUser, merchant: Merchant, merchant_server: MerchantServer
) -> None:
    """One customer at a provider stands for a person with every merchant of the account."""
    order = order_of(app_user, merchant)
    card = saved(app_user, scenario="absent_needs_proof")
    made = app_user.post("/payments", {"order": order, "payment_method": card["id"]}).json()
    own = {"customer": "cus_1", "customer_session": "cuss_secret", "ephemeral_key": "ek_secret"}
    action = {"kind": "app", "url": "", "qr_text": "", "app_parameters": {"client_secret": "pi_secret", **own}}
    Payment.objects.filter(id=made["id"]).update(action=action | {"expires_at": None})
    shown = app_user.get(f"/payments/{made['id']}").json()["next_action"]
    assert shown["app_parameters"] == {"client_secret": "pi_secret", **own}
    for seen in (
        merchant_server.get(f"/payments/{made['id']}").json(),
        merchant_server.get(f"/payments?order={order}").json()["data"][0],
        present_payment(Payment.objects.get(id=made["id"])),  # what merchants' webhooks carry
    ):
        assert seen["next_action"]["app_parameters"] == {"client_secret": "pi_secret"}


def test_nothing_is_charged_unasked_before_the_day_that_was_agreed(
    app_user: AppUser, merchant: Merchant, merchant_server: MerchantServer
) -> None:
    first = (database_now() + timedelta(days=3)).isoformat()
    card = saved(app_user, mandate=CONSENT | {"first_charge_at": first}, merchant=merchant.id)
    details = {"currency": "USD", "amount_minor": 100, "description": "Renewal"}
    charge = {"order_details": details, "payment_method": card["id"], "off_session": True}
    with no_row_changes():
        refused = merchant_server.post("/payments", charge)
    assert (refused.status_code, refused.json()["code"]) == (409, "mandate_required")
    method, amount = PaymentMethod.objects.get(id=card["id"]), Money(100, "USD")
    with pytest.raises(MandateRequired):
        require_mandate(method, merchant_id=merchant.id, amount=amount)
    later = database_now() + timedelta(days=4)
    require_mandate(method, merchant_id=merchant.id, amount=amount, now=later)


def test_card_that_was_removed_while_its_payment_was_held_is_not_kept_again_by_the_capture(
    app_user: AppUser, merchant: Merchant, merchant_server: MerchantServer
) -> None:
    draft = OrderDraft(merchant.id, Money(1999, "USD"), "Hotel", user_id=app_user.user.id, capture_method="manual")
    body = {"method": "card", "options": {"token": "tok_approve"}, "save_method": True, "mandate": CONSENT}
    held = app_user.post("/payments", {"order": create_order(draft).id, **body}).json()
    assert held["status"] == "authorized", held
    card = PaymentMethod.objects.get(status="active")
    assert delete(app_user, f"/payment-methods/{card.id}").status_code == 204
    assert merchant_server.post(f"/payments/{held['id']}/capture", {}).status_code == 201
    assert Payment.objects.get().status == "succeeded"
    assert not PaymentMethod.objects.filter(status="active").exists()
    assert not Mandate.objects.filter(status="active").exists()
