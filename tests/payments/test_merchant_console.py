"""The merchant's console: payment links, lists as CSV, and the way of a refund."""

import csv
import io
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import User
from merchants.models import Merchant
from paycore.spreadsheets import safe_cell
from payments.admin import exports
from payments.checkout.models import CheckoutSession
from payments.orders.models import Order, Refund
from payments.orders.refunds import RefundOrder, approve_refund, reject_refund, request_refund
from payments.routing.models import GatewayAccount
from tests.actors import MerchantServer, run_background
from tests.merchants.factories import make_member, make_merchant, make_user

pytestmark = pytest.mark.django_db

NEW_LINK = "merchant:payments_order_new_payment_link"
LINK = {"description": "Two chairs", "major": "149.50", "currency": "USD", "valid_hours": "48", "nonce": "link_1"}


def _enter(client: Client, merchant: Merchant, *, role: str = "finance") -> User:
    member = make_member(merchant=merchant, role=role)
    client.force_login(member.user)
    return member.user


def _rows(response: Any) -> list[dict[str, str]]:
    text = b"".join(response.streaming_content).decode("utf-8-sig")
    return list(csv.DictReader(io.StringIO(text)))


def test_a_payment_link_is_an_order_a_session_and_a_code_to_scan(client: Client, merchant: Merchant) -> None:
    user = _enter(client, merchant)

    page = client.post(reverse(NEW_LINK), LINK, follow=True).content.decode()

    order, session = Order.objects.get(), CheckoutSession.objects.get()
    assert (order.merchant_id, order.amount_minor, order.currency) == (merchant.id, 14_950, "USD")
    assert 47.9 < (order.expires_at - order.created_at).total_seconds() / 3600 < 48.1
    assert (session.order_id, session.created_by) == (order.id, user.id)
    assert f"/pay/{session.id}" in page
    assert "data:image/svg" in page


def test_the_same_form_sent_twice_is_one_link_and_a_changed_one_another(client: Client, merchant: Merchant) -> None:
    _enter(client, merchant)

    for form in (LINK, LINK, LINK | {"major": "10"}):
        assert client.post(reverse(NEW_LINK), form).status_code == 302

    assert sorted(Order.objects.values_list("amount_minor", flat=True)) == [1_000, 14_950]


@pytest.mark.parametrize(
    "wrong",
    [{"major": "0"}, {"major": "-5"}, {"major": "1.999"}, {"major": "x"}, {"currency": "XXX"}, {"valid_hours": "0"}],
)
def test_a_link_for_nothing_is_not_made(client: Client, merchant: Merchant, wrong: dict[str, str]) -> None:
    _enter(client, merchant)

    assert client.post(reverse(NEW_LINK), LINK | wrong).status_code == 200

    assert not Order.objects.exists()


def test_a_number_that_is_taken_is_said_in_the_form(client: Client, merchant: Merchant) -> None:
    _enter(client, merchant)
    client.post(reverse(NEW_LINK), LINK | {"merchant_order_number": "SHOP-1"})

    again = client.post(reverse(NEW_LINK), LINK | {"merchant_order_number": "SHOP-1", "nonce": "link_2"})

    assert "already has an order with this number" in again.content.decode()
    assert Order.objects.count() == 1


@pytest.mark.parametrize("role", ["developer", "viewer"])
def test_other_roles_make_no_links(client: Client, merchant: Merchant, role: str) -> None:
    _enter(client, merchant, role=role)

    assert client.post(reverse(NEW_LINK), LINK).status_code == 403
    assert not Order.objects.exists()


def test_another_merchants_link_is_not_shown(client: Client, merchant: Merchant) -> None:
    _enter(client, merchant)
    client.post(reverse(NEW_LINK), LINK)
    session = CheckoutSession.objects.get()
    stranger = Client()
    _enter(stranger, make_merchant())

    address = reverse("merchant:payments_order_link", args=[session.order_id, session.id])
    assert client.get(address).status_code == 200
    assert stranger.get(address).status_code in (302, 404)
    assert session.id not in stranger.get(address, follow=True).content.decode()


def test_lists_are_saved_as_csv_with_the_filters_and_without_formulas(
    client: Client, merchant: Merchant, merchant_server: MerchantServer, account: GatewayAccount
) -> None:
    _enter(client, merchant, role="viewer")
    order, payment = merchant_server.paid_order(description='=HYPERLINK("http://evil","x")', amount_minor=20_000)
    merchant_server.create_order(description="-2+3", merchant_order_number="@SUM(1)")
    reason = "+1 bad"
    request_refund(RefundOrder(payment_id=payment["id"], amount=None, reason=reason, requested_by="system"))
    foreign = make_merchant()
    orders = _rows(client.get(reverse("merchant:payments_order_export")))
    paid = _rows(client.get(reverse("merchant:payments_order_export"), {"status__exact": "paid"}))
    payments = _rows(client.get(reverse("merchant:payments_payment_export")))
    refunds = _rows(client.get(reverse("merchant:payments_refund_export")))

    assert (orders[0]["Your order number"], orders[0]["Description"]) == ("'@SUM(1)", "'-2+3")
    assert [row["Order"] for row in paid] == [order["id"]]
    assert (paid[0]["Description"], paid[0]["Amount"]) == ('\'=HYPERLINK("http://evil","x")', "200.00")
    assert [(row["Payment"], row["Amount"]) for row in payments] == [(payment["id"], "200.00")]
    assert [row["Reason"] for row in refunds] == ["'+1 bad"]
    other = Client()
    _enter(other, foreign)
    assert _rows(other.get(reverse("merchant:payments_order_export"))) == []


def test_a_very_long_list_says_that_it_was_cut(
    client: Client, merchant: Merchant, merchant_server: MerchantServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    _enter(client, merchant)
    monkeypatch.setattr(exports, "MOST_ROWS", 2)
    for _number in range(3):
        merchant_server.create_order()

    rows = _rows(client.get(reverse("merchant:payments_order_export")))

    assert len(rows) == 3
    assert rows[2]["Order"].startswith("Only the first 2 rows")


@pytest.mark.parametrize(
    ("value", "cell"),
    [
        ("=1+1", "'=1+1"),
        ("  =1+1", "'  =1+1"),
        ("\t=1", "'\t=1"),
        ("＝1", "'＝1"),
        ("plain", "plain"),
        (-5, "-5"),
        (None, ""),
    ],
)
def test_a_cell_never_begins_a_formula(value: object, cell: str) -> None:
    assert safe_cell(value) == cell


def _refund(merchant_server: MerchantServer, *, requested_by: str) -> Refund:
    _order, payment = merchant_server.paid_order(amount_minor=20_000)
    return request_refund(
        RefundOrder(payment_id=payment["id"], amount=None, reason="Came broken", requested_by=requested_by)
    )


def _way(client: Client, refund: Refund, *, site: str) -> str:
    page = client.get(reverse(f"{site}:payments_refund_change", args=[refund.id])).content.decode()
    return page[page.index("The way of this refund") :]


def test_the_way_of_a_refund_is_told_from_request_to_outcome(
    client: Client, merchant: Merchant, merchant_server: MerchantServer, account: GatewayAccount
) -> None:
    user = _enter(client, merchant)
    User.objects.filter(id=user.id).update(name="Fay Finance")
    staff = User.objects.create_user("r@example.com", name="Rafael Review", is_staff=True, is_superuser=True)
    refund = _refund(merchant_server, requested_by=user.id)
    approve_refund(refund.id, reviewed_by=staff.id, note="Seen the photos")
    run_background()

    way = _way(client, refund, site="merchant")

    steps = ["Fay Finance", "Came broken", "The platform", "Seen the photos", "Sent", "Succeeded"]
    places = [way.index(step) for step in steps]
    assert places == sorted(places)
    assert "Rafael" not in way
    office = Client()
    office.force_login(staff)
    assert "Rafael Review" in _way(office, refund, site="ops")


def test_a_rejected_refund_says_why(
    client: Client, merchant: Merchant, merchant_server: MerchantServer, account: GatewayAccount
) -> None:
    _enter(client, merchant)
    refund = _refund(merchant_server, requested_by="system")
    reject_refund(refund.id, reviewed_by=make_user(is_staff=True).id, note="Not as agreed")

    way = _way(client, refund, site="merchant")

    assert "Rejected" in way
    assert "Not as agreed" in way
    assert "Succeeded" not in way.split("</section>")[0]
