"""Money that an order cannot take: never kept silently, never announced as paid."""

from typing import Any

import pytest

from paycore.models import EventRecord
from payments.errors import NotSurplus
from payments.gateways.sandbox.provider.core import SandboxProvider
from payments.ledger.queries import balance_of
from payments.orders.models import Payment, Refund
from payments.orders.surplus import accept_surplus, refund_surplus
from payments.routing.models import GatewayAccount
from riskcontrol.models import Case
from tests.actors import AppUser, MerchantServer, assert_books_are_whole, deliver_callbacks, run_background
from tests.api.row_counts import nothing_changes
from tests.flows.conftest import ProviderClock

pytestmark = pytest.mark.django_db


@pytest.fixture
def late_money(
    merchant_server: MerchantServer, account: GatewayAccount, sandbox: SandboxProvider, provider_clock: ProviderClock
) -> Any:
    """Declines, lets something else happen to the order, and then the money comes after all."""

    def play(*, meanwhile: str) -> tuple[str, str]:
        order = merchant_server.create_order(amount_minor=5_000)
        payment = merchant_server.pay(order["id"], scenario="decline_then_succeed(60)").json()
        assert payment["status"] == "failed"
        if meanwhile == "paid":
            assert merchant_server.pay(order["id"]).json()["status"] == "succeeded"
        else:
            assert merchant_server.post(f"/orders/{order['id']}/cancel").json()["status"] == "canceled"
        deliver_callbacks(sandbox)
        run_background()
        provider_clock.advance(61)
        assert set(deliver_callbacks(sandbox)) == {200}
        run_background()
        return order["id"], payment["id"]

    return play


@pytest.mark.parametrize(("meanwhile", "order_status"), [("paid", "paid"), ("canceled", "canceled")])
def test_by_policy_surplus_money_is_sent_back_at_once(
    late_money: Any,
    merchant_server: MerchantServer,
    account: GatewayAccount,
    sandbox: SandboxProvider,
    meanwhile: str,
    order_status: str,
) -> None:
    order_id, payment_id = late_money(meanwhile=meanwhile)

    payment = Payment.objects.get(id=payment_id)
    assert (payment.status, payment.is_surplus, payment.refunded_minor) == ("succeeded", True, 5_000)
    assert merchant_server.get(f"/orders/{order_id}").json()["status"] == order_status
    assert EventRecord.objects.filter(name="order.paid").count() == (meanwhile == "paid")
    assert balance_of("suspense", currency="USD").is_zero
    case = Case.objects.get(kind="surplus_payment")
    assert (case.status, case.object_id, case.resolution) == ("resolved", payment_id, "refunded")
    given = sandbox.book.rows("SELECT given_back FROM txn WHERE reference = ?", payment_id)[0][0]
    assert given == 5_000
    assert_books_are_whole()


def test_by_policy_surplus_money_is_held_until_a_person_decides(
    late_money: Any, merchant_server: MerchantServer, settings: Any
) -> None:
    settings.PAYCORE_SURPLUS_POLICY = "hold"

    order_id, payment_id = late_money(meanwhile="canceled")

    assert balance_of("suspense", currency="USD").minor == 5_000
    assert balance_of("revenue:fees", currency="USD").is_zero
    assert Case.objects.get(kind="surplus_payment", object_id=payment_id).status == "open"
    assert Refund.objects.count() == 0
    assert merchant_server.get(f"/orders/{order_id}").json()["status"] == "canceled"
    assert_books_are_whole()


def test_a_person_may_give_held_money_to_its_order(
    late_money: Any, merchant_server: MerchantServer, app_user: AppUser, settings: Any
) -> None:
    settings.PAYCORE_SURPLUS_POLICY = "hold"
    order_id, payment_id = late_money(meanwhile="canceled")

    accept_surplus(payment_id, decided_by=app_user.user.id)
    run_background()

    assert merchant_server.get(f"/orders/{order_id}").json()["status"] == "paid"
    assert balance_of("suspense", currency="USD").is_zero
    pending = balance_of(f"merchant:{merchant_server.merchant.id}:pending", currency="USD")
    assert pending.minor == 5_000 - 35
    case = Case.objects.get(kind="surplus_payment")
    assert (case.status, case.resolved_by_id) == ("resolved", app_user.user.id)
    names = EventRecord.objects.filter(object_id=order_id).order_by("sequence").values_list("name", flat=True)
    assert list(names) == ["order.created", "order.canceled", "order.reopened", "order.paid"]
    assert_books_are_whole()


def test_a_person_may_send_held_money_back(late_money: Any, settings: Any, sandbox: SandboxProvider) -> None:
    settings.PAYCORE_SURPLUS_POLICY = "hold"
    _order_id, payment_id = late_money(meanwhile="paid")

    refund_surplus(payment_id, requested_by="usr_operator")
    run_background()

    assert Payment.objects.get(id=payment_id).refunded_minor == 5_000
    assert balance_of("suspense", currency="USD").is_zero
    assert Case.objects.get(kind="surplus_payment").status == "resolved"
    assert_books_are_whole()


@pytest.mark.parametrize("why", ["paid_otherwise", "refund_under_way", "not_surplus"])
def test_money_that_is_not_free_cannot_be_given_to_an_order(
    late_money: Any, merchant_server: MerchantServer, app_user: AppUser, settings: Any, why: str
) -> None:
    settings.PAYCORE_SURPLUS_POLICY = "hold"
    _order_id, payment_id = late_money(meanwhile="paid" if why != "refund_under_way" else "canceled")
    if why == "refund_under_way":
        refund_surplus(payment_id, requested_by="usr_operator")
    if why == "not_surplus":
        payment_id = Payment.objects.get(is_surplus=False, status="succeeded").id

    with nothing_changes(), pytest.raises(NotSurplus):
        accept_surplus(payment_id, decided_by=app_user.user.id)


def test_late_success_of_an_open_order_simply_pays_it(
    merchant_server: MerchantServer, account: GatewayAccount, sandbox: SandboxProvider, provider_clock: ProviderClock
) -> None:
    order = merchant_server.create_order()
    payment = merchant_server.pay(order["id"], scenario="decline_then_succeed(60)").json()
    deliver_callbacks(sandbox)
    run_background()

    provider_clock.advance(61)
    deliver_callbacks(sandbox)
    run_background()

    shown = merchant_server.get(f"/payments/{payment['id']}").json()
    assert (shown["status"], shown["failure_code"]) == ("succeeded", None)
    assert merchant_server.get(f"/orders/{order['id']}").json()["status"] == "paid"
    assert Case.objects.count() == 0
    assert_books_are_whole()
