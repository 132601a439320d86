"""Limits before a payment, and cases that are open once."""

import pytest

from merchants.models import Merchant
from paycore.money import Money
from payments.routing.models import GatewayAccount
from riskcontrol.cases import open_case, resolve_cases
from riskcontrol.decisions import PaymentOverLimit, assess, forget_limits
from riskcontrol.models import Case, PaymentLimit
from tests.actors import MerchantServer
from tests.api.refusals import assert_refused
from tests.api.row_counts import nothing_changes
from tests.merchants.factories import make_merchant

pytestmark = pytest.mark.django_db


def limit(minor: int, *, merchant: Merchant | None = None, currency: str = "USD") -> None:
    PaymentLimit.objects.create(merchant=merchant, currency=currency, max_amount_minor=minor)
    forget_limits()


def test_without_a_limit_everything_is_allowed_and_said_so(merchant: Merchant) -> None:
    limit(5, currency="EUR")
    assert assess(merchant_id=merchant.id, amount=Money(10**12, "USD")).as_row() == {
        "action": "allow", "reasons": ["no_limit"],
    }  # fmt: skip


def test_a_limit_is_the_largest_amount_that_is_allowed(merchant: Merchant) -> None:
    limit(1_000)
    assert assess(merchant_id=merchant.id, amount=Money(1_000, "USD")).reasons == ("limit:1000",)
    with pytest.raises(PaymentOverLimit):
        assess(merchant_id=merchant.id, amount=Money(1_001, "USD"))


@pytest.mark.parametrize("own", [500, 2_000])
def test_a_merchants_own_limit_beats_the_general_one(merchant: Merchant, own: int) -> None:
    limit(1_000)
    limit(own, merchant=merchant)
    limit(1, merchant=make_merchant())
    assert assess(merchant_id=merchant.id, amount=Money(own, "USD")).action == "allow"
    with pytest.raises(PaymentOverLimit):
        assess(merchant_id=merchant.id, amount=Money(own + 1, "USD"))


def test_a_payment_over_the_limit_is_refused_before_anything_is_written(
    merchant_server: MerchantServer, account: GatewayAccount
) -> None:
    order = merchant_server.create_order(amount_minor=1_001)
    limit(1_000)
    with nothing_changes():
        problem = assert_refused(merchant_server.pay(order["id"]), 403, "payment_over_limit")
    assert (problem["limit_minor"], problem["currency"]) == (1_000, "USD")


def test_a_payment_keeps_why_it_was_allowed(merchant_server: MerchantServer, account: GatewayAccount) -> None:
    limit(5_000)
    order = merchant_server.create_order(amount_minor=5_000)
    assert merchant_server.pay(order["id"]).json()["status"] == "succeeded"


def test_a_case_is_open_once_and_may_come_again() -> None:
    for _copy in range(2):
        open_case(kind=Case.Kind.STUCK, object_id="pay_1", facts={"n": 1})
    open_case(kind=Case.Kind.PAYMENT_MISMATCH, object_id="pay_1", facts={})
    assert Case.objects.filter(kind="stuck").count() == 1

    assert resolve_cases(kind=Case.Kind.STUCK, object_id="pay_1", resolution="found") == 1
    assert resolve_cases(kind=Case.Kind.STUCK, object_id="pay_1", resolution="found") == 0
    assert Case.objects.get(kind="payment_mismatch").status == "open"

    open_case(kind=Case.Kind.STUCK, object_id="pay_1", facts={"n": 2})
    assert Case.objects.filter(kind="stuck").count() == 2
