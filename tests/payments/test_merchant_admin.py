"""What a merchant's people see and do with their own money, and above all not with another's."""

from typing import Any

import pytest
from django.contrib.admin.utils import quote
from django.test import Client
from django.urls import reverse

from merchants.models import Merchant, MerchantMember
from merchants.services import create_api_key
from paycore.sites import merchant_site
from payments.ledger.models import Transfer
from payments.orders.models import Order, Payment, Refund
from payments.orders.refunds import RefundOrder, request_refund
from payments.routing.models import GatewayAccount
from tests.actors import MerchantServer, assert_books_are_whole, run_background
from tests.merchants.factories import make_member, make_merchant

pytestmark = pytest.mark.django_db

OWN_MODELS = (Order, Payment, Refund)


def page(row: Any, action: str = "change") -> str:
    return reverse(f"merchant:payments_{row._meta.model_name}_{action}", args=[quote(row.pk)])


def ask(client: Client, payment: Payment, **fields: str) -> Any:
    form = {"_form_submitted": "on", "left": str(payment.refundable.minor), "reason": "Came broken", **fields}
    return client.post(page(payment, "ask_refund"), form, follow=True)


def enter(merchant: Merchant, *, role: str = "owner") -> tuple[Client, MerchantMember]:
    client, member = Client(), make_member(merchant=merchant, role=role)
    client.force_login(member.user)
    return client, member


@pytest.fixture
def paid(merchant_server: MerchantServer, account: GatewayAccount) -> Payment:
    _order, payment = merchant_server.paid_order(amount_minor=20_000, merchant_order_number="SHOP-77")
    return Payment.objects.select_related("order").get(id=payment["id"])


@pytest.fixture
def foreign(account: GatewayAccount) -> Payment:
    """A payment with a refund that waits, of somebody else's."""
    other = make_merchant(name="Foreign shop")
    _key, secret = create_api_key(merchant=other, name="server", created_by=None)
    _order, payment = MerchantServer(secret=secret, merchant=other).paid_order(description="Foreign thing")
    request_refund(RefundOrder(payment_id=payment["id"], amount=None, reason="Foreign reason", requested_by="key"))
    return Payment.objects.select_related("order").get(id=payment["id"])


def rows_of(payment: Payment) -> list[Any]:
    return [payment.order, payment, *payment.refunds.all()]


def test_people_of_a_merchant_find_their_own_rows(merchant: Merchant, paid: Payment) -> None:
    client, _member = enter(merchant, role="viewer")
    request_refund(RefundOrder(payment_id=paid.id, amount=None, reason="Came broken", requested_by="key"))

    for row in rows_of(paid):
        listed = client.get(reverse(f"merchant:payments_{row._meta.model_name}_changelist")).content.decode()
        shown = client.get(page(row)).content.decode()
        assert row.id in listed
        assert "$200.00" in shown
        assert client.post(page(row), {"status": "paid"}).status_code == 403
        assert client.post(page(row, "delete"), {"post": "yes"}).status_code == 403


@pytest.mark.parametrize("role", ["owner", "finance", "developer", "viewer"])
def test_no_list_search_or_filter_shows_another_merchants_rows(
    merchant: Merchant, paid: Payment, foreign: Payment, role: str
) -> None:
    client, _member = enter(merchant, role=role)
    wanted = [foreign.id, foreign.order.id, foreign.order.merchant_order_number, foreign.refunds.get().id]

    for model in OWN_MODELS:
        address = reverse(f"merchant:payments_{model._meta.model_name}_changelist")
        for query in ({}, {"currency": "USD"}, *({"q": term} for term in wanted)):
            response = client.get(address, query)
            typed = query.get("q", "")
            text = response.content.decode().replace(typed, "") if typed else response.content.decode()
            assert response.status_code == 200
            assert "oreign" not in text
            assert not [term for term in wanted if term in text], (model, query)


def test_another_merchants_rows_are_not_reached_by_their_address(
    merchant: Merchant, paid: Payment, foreign: Payment
) -> None:
    client, _member = enter(merchant)
    before = [type(row).objects.filter(pk=row.pk).values().get() for row in rows_of(foreign)]

    for row in rows_of(foreign):
        for action in ("change", "history", "delete"):
            for response in (client.get(page(row, action)), client.post(page(row, action), {"post": "yes"})):
                assert response.status_code in {302, 403, 404}, (row, action)
                assert "oreign" not in response.content.decode()

    assert [type(row).objects.filter(pk=row.pk).values().get() for row in rows_of(foreign)] == before


def test_another_merchants_payment_cannot_be_refunded(merchant: Merchant, paid: Payment, foreign: Payment) -> None:
    client, _member = enter(merchant)

    dialog = client.get(page(foreign, "ask_refund")).content.decode()
    ask(client, foreign, major="1.00", left="0")

    assert "$19.99" not in dialog
    assert Refund.objects.count() == 1
    foreign.refresh_from_db()
    assert foreign.refund_pending_minor == 1999


def test_every_model_of_the_merchant_site_hides_other_merchants(merchant: Merchant, foreign: Payment) -> None:
    client, _member = enter(merchant)

    assert set(OWN_MODELS) <= set(merchant_site._registry)
    for model, admin in merchant_site._registry.items():
        others = model._default_manager.exclude(**{admin.merchant_lookup: merchant.id})
        name = f"merchant:{model._meta.app_label}_{model._meta.model_name}"
        text = client.get(reverse(f"{name}_changelist")).content.decode()
        for row in others:
            assert str(row.pk) not in text or len(str(row.pk)) < 8, model
            assert client.get(reverse(f"{name}_change", args=[quote(row.pk)])).status_code in {302, 403, 404}, model


def test_the_platforms_inner_matters_are_not_shown(merchant: Merchant, paid: Payment, account: GatewayAccount) -> None:
    client, _member = enter(merchant)

    for row in (paid, paid.order):
        text = client.get(page(row)).content.decode()
        assert account.id not in text
        assert "Routing" not in text
        assert "Evidence" not in text
        assert "$6.10" not in text, "the provider's fee"


def test_what_the_platforms_staff_did_is_not_shown(merchant: Merchant, paid: Payment) -> None:
    client, _member = enter(merchant)

    for row in (paid, paid.order):
        assert client.get(page(row, "history")).status_code == 404
        assert page(row, "history") not in client.get(page(row)).content.decode()


@pytest.mark.parametrize("role", ["owner", "finance"])
def test_a_small_refund_is_sent_without_review(merchant: Merchant, paid: Payment, role: str) -> None:
    client, member = enter(merchant, role=role)

    answer = ask(client, paid, major="15.50").content.decode()
    run_background()

    refund = Refund.objects.get()
    assert "is being sent" in answer
    assert (refund.amount_minor, refund.status, refund.requested_by) == (1550, "succeeded", member.user.pk)
    assert_books_are_whole()


def test_a_large_refund_waits_for_the_platforms_review(merchant: Merchant, paid: Payment) -> None:
    client, _member = enter(merchant, role="finance")

    answer = ask(client, paid, major="150").content.decode()
    run_background()

    assert "waits for the platform" in answer
    assert Refund.objects.get().status == "requested"


def test_a_form_that_is_sent_twice_asks_for_one_refund(merchant: Merchant, paid: Payment) -> None:
    client, _member = enter(merchant)

    ask(client, paid, major="10.00")
    again = ask(client, paid, major="10.00").content.decode()

    assert "has changed meanwhile" in again
    assert Refund.objects.get().amount_minor == 1_000


@pytest.mark.parametrize("fields", [{"major": "200.01"}, {"major": "0"}, {"major": "5", "reason": ""}, {"major": "x"}])
def test_an_impossible_request_reserves_nothing(merchant: Merchant, paid: Payment, fields: dict[str, str]) -> None:
    client, _member = enter(merchant)

    answer = ask(client, paid, **fields)

    paid.refresh_from_db()
    assert not answer.redirect_chain
    assert not Refund.objects.exists()
    assert paid.refund_pending_minor == 0


@pytest.mark.parametrize("role", ["developer", "viewer"])
def test_other_roles_cannot_ask_for_a_refund(merchant: Merchant, paid: Payment, role: str) -> None:
    client, _member = enter(merchant, role=role)
    transfers = Transfer.objects.count()

    assert page(paid, "ask_refund") not in client.get(page(paid)).content.decode()
    assert ask(client, paid, major="1.00").status_code == 403
    assert not Refund.objects.exists()
    assert Transfer.objects.count() == transfers
