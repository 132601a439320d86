"""Evidence that contradicts what is final: nothing is rewritten, a person is asked."""

import pytest

from payments.gateways.contract import Outcome, PaymentResult, RefundResult
from payments.orders.charging import record_payment_result
from payments.orders.models import Evidence, Payment, Refund
from payments.orders.refunds import record_refund_result
from payments.routing.models import GatewayAccount
from riskcontrol.models import Case
from tests.actors import MerchantServer, assert_books_are_whole, run_background

pytestmark = pytest.mark.django_db


def test_a_refund_that_succeeds_after_it_failed_becomes_a_case(
    merchant_server: MerchantServer, account: GatewayAccount
) -> None:
    order = merchant_server.create_order()
    payment = merchant_server.pay(order["id"], scenario="approve+refund_decline").json()
    merchant_server.post("/refunds", {"payment": payment["id"], "reason": "broken"})
    run_background()
    refund = Refund.objects.get()
    assert refund.status == "failed"

    for _copy in range(2):
        record_refund_result(refund.id, RefundResult(refund.id, Outcome.SUCCEEDED), source=Evidence.Source.WEBHOOK)

    assert Case.objects.get().kind == Case.Kind.REFUND_MISMATCH
    assert Refund.objects.get().status == "failed"
    assert_books_are_whole()


def test_money_held_for_an_attempt_that_ended_becomes_a_case(
    merchant_server: MerchantServer, account: GatewayAccount
) -> None:
    order = merchant_server.create_order(capture_method="manual")
    payment_id = merchant_server.pay(order["id"], scenario="decline").json()["id"]

    held = PaymentResult(payment_id, Outcome.AUTHORIZED, amount_minor=1999, currency="USD")
    for _copy in range(2):
        record_payment_result(payment_id, held, source=Evidence.Source.WEBHOOK)

    case = Case.objects.get()
    assert (case.kind, case.object_id, case.facts["held_minor"]) == (Case.Kind.PAYMENT_MISMATCH, payment_id, 1999)
    assert Payment.objects.get().status == "failed"
    assert_books_are_whole()
