"""The numbers on the consoles' first pages."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test import Client, RequestFactory
from django.urls import reverse

from merchants.models import Merchant
from merchants.services import create_api_key
from paycore.identifiers import earliest_id, new_id
from paycore.sites import Dashboard
from payments.dashboard import operations, own_business
from payments.orders.models import Payment
from payments.orders.refunds import RefundOrder, request_refund
from payments.routing.models import GatewayAccount
from tests.actors import MerchantServer
from tests.merchants.factories import make_member, make_merchant, make_user

pytestmark = pytest.mark.django_db


def cards(dashboard: Dashboard) -> dict[str, str]:
    return {str(card.title): str(card.value) for card in dashboard.cards}


def seen_by(user: Any, provider: Any) -> Dashboard:
    request = RequestFactory().get("/")
    request.user = user
    dashboard: Dashboard = provider(request)
    return dashboard


@pytest.fixture
def boss() -> Any:
    return make_user(is_staff=True, is_superuser=True)


def test_staff_see_what_came_in_and_what_waits(
    boss: Any, merchant_server: MerchantServer, account: GatewayAccount
) -> None:
    for _payment in range(3):
        merchant_server.paid_order(amount_minor=20_000)
    merchant_server.paid_order(amount_minor=500, currency="JPY")
    merchant_server.pay(merchant_server.create_order()["id"], scenario="decline(card_declined)")
    merchant_server.pay(merchant_server.create_order()["id"], scenario="timeout_after_effect")
    large = Payment.objects.filter(amount_minor=20_000).first()
    assert large is not None
    request_refund(RefundOrder(payment_id=large.id, amount=large.amount, reason="x", requested_by="key"))

    dashboard = seen_by(boss, operations)

    assert cards(dashboard) == {
        "Paid today · USD": "$600.00",
        "Paid today · JPY": "¥500",
        "Success rate, 24 hours": "80.0%",
        "Unknown outcome": "1",
        "Refunds to review": "1",
    }
    amounts, yen, counts = dashboard.charts
    assert (amounts.series[0].values[-1], yen.series[0].values[-1]) == (600.0, 500.0)
    assert [list(series.values)[-1] for series in counts.series] == [4, 1]
    assert len(amounts.labels) == len(amounts.series[0].values) == 14


def test_surplus_money_is_not_counted_as_paid(
    boss: Any, merchant_server: MerchantServer, account: GatewayAccount
) -> None:
    _order, payment = merchant_server.paid_order()
    Payment.objects.filter(id=payment["id"]).update(is_surplus=True)

    assert cards(seen_by(boss, operations))["Paid today"] == "0"


def test_staff_without_the_permission_see_no_numbers() -> None:
    assert seen_by(make_user(is_staff=True), operations) == Dashboard()


def test_a_merchant_sees_own_money_only(
    merchant: Merchant, merchant_server: MerchantServer, account: GatewayAccount
) -> None:
    merchant_server.paid_order(amount_minor=20_000)
    other = make_merchant(name="Foreign shop", refund_review_above_minor=None)
    _key, secret = create_api_key(merchant=other, name="server", created_by=None)
    _order, foreign = MerchantServer(secret=secret, merchant=other).paid_order(amount_minor=77_700)
    request_refund(RefundOrder(payment_id=foreign["id"], amount=None, reason="x", requested_by="key"))

    own = cards(seen_by(make_member(merchant=merchant).user, own_business))

    assert own == {
        "Paid today": "$200.00",
        "This month": "$200.00",
        "Refunds under way": "0",
        # 0.5 % + 0.10 stays with the platform.
        "Pending balance": "$198.90",
    }
    assert cards(seen_by(make_member(merchant=other).user, own_business))["Refunds under way"] == "1"


def test_who_belongs_to_no_merchant_sees_nothing_of_any(
    merchant_server: MerchantServer, account: GatewayAccount
) -> None:
    merchant_server.paid_order()

    assert seen_by(make_user(), own_business) == Dashboard()


def test_the_first_pages_are_shown_without_a_single_payment(boss: Any, merchant: Merchant) -> None:
    for site, user in (("ops", boss), ("merchant", make_member(merchant=merchant).user)):
        client = Client()
        client.force_login(user)
        assert "No payment yet" in client.get(reverse(f"{site}:index")).content.decode()


def test_a_span_of_time_is_a_span_of_ids() -> None:
    before = earliest_id("pay", datetime.now(UTC) - timedelta(seconds=1))
    after = earliest_id("pay", datetime.now(UTC) + timedelta(seconds=1))

    assert before < new_id("pay") < after
    assert len(before) == len(new_id("pay"))
