"""The door's own way of reading a payment tells what the ORM tells."""

from datetime import timedelta

import pytest

from paycore.clock import database_now
from payments.orders.models import Payment
from payments.orders.reading import read_payment
from payments.routing.models import GatewayAccount
from tests.actors import MerchantServer

pytestmark = pytest.mark.django_db


@pytest.fixture
def waiting(merchant_server: MerchantServer, account: GatewayAccount) -> Payment:
    order = merchant_server.create_order()
    payment = merchant_server.pay(order["id"], method="sandbox_redirect", scenario="require_action").json()
    return Payment.objects.select_related("order").get(id=payment["id"])


def test_every_column_of_payment_and_order_is_as_the_orm_reads_it(waiting: Payment) -> None:
    found = read_payment(waiting.id)
    assert found is not None
    payment, _now = found
    for theirs, ours in ((waiting, payment), (waiting.order, payment.order)):
        names = [field.attname for field in theirs._meta.concrete_fields]
        assert {name: ours.__dict__[name] for name in names} == {name: theirs.__dict__[name] for name in names}
    assert isinstance(payment.action, dict)
    assert (payment._state.adding, payment._state.db, payment.order._state.adding) == (False, "default", False)


def test_the_clock_is_the_databases(waiting: Payment) -> None:
    before = database_now()
    found = read_payment(waiting.id)
    assert found is not None
    assert before < found[1] < database_now()
    assert found[1].utcoffset() == timedelta(0)


def test_another_accounts_payment_is_not_found(waiting: Payment) -> None:
    assert read_payment(waiting.id, account_id=waiting.gateway_account_id) is not None
    assert read_payment(waiting.id, account_id="gwa_another") is None
    assert read_payment("pay_unheard_of") is None
