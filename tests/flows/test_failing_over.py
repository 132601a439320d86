"""Another account is tried when nothing was taken and it may say yes; never when only the payer can help."""

from collections.abc import Callable
from typing import Any

import pytest

from payments.gateways.contract import GatewayRejected, Outcome, PaymentRequest, PaymentResult
from payments.gateways.failures import FAILURES, Advice
from payments.gateways.sandbox.adapter import SandboxGateway
from payments.orders import charging
from payments.orders.models import Payment
from payments.routing.models import GatewayAccount
from tests.actors import MerchantServer, assert_books_are_whole, run_background

pytestmark = pytest.mark.django_db
Fail = Callable[[str], None]


@pytest.fixture
def fail_first(account: GatewayAccount, second_account: GatewayAccount, monkeypatch: pytest.MonkeyPatch) -> Fail:
    """The first account says no to everything, with a code."""

    def fail(code: str) -> None:
        create = SandboxGateway.create_payment

        def refuse(self: SandboxGateway, request: PaymentRequest) -> PaymentResult:
            if self.configuration.account_id == account.id:
                return PaymentResult(request.reference, Outcome.FAILED, failure_code=code)
            return create(self, request)

        monkeypatch.setattr(SandboxGateway, "create_payment", refuse)

    return fail


def pay(merchant_server: MerchantServer) -> Any:
    return merchant_server.pay(merchant_server.create_order()["id"]).json()


@pytest.mark.parametrize("code", sorted(FAILURES))
def test_the_error_table_says_who_is_tried_next(fail_first: Fail, merchant_server: MerchantServer, code: str) -> None:
    fail_first(code)
    paid = pay(merchant_server)
    goes_on = FAILURES[code].advice is Advice.RETRY_ELSEWHERE
    assert paid["status"] == ("succeeded" if goes_on else "failed")
    assert list(Payment.objects.order_by("id").values_list("status", flat=True)) == (
        ["failed", "succeeded"] if goes_on else ["failed"]
    )
    run_background()
    assert_books_are_whole()


def test_our_own_wrong_credentials_send_the_payment_elsewhere(
    account: GatewayAccount,
    second_account: GatewayAccount,
    merchant_server: MerchantServer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    create = SandboxGateway.create_payment

    def refuse(self: SandboxGateway, request: PaymentRequest) -> PaymentResult:
        if self.configuration.account_id == account.id:
            raise GatewayRejected("who are you?", code="account_misconfigured")
        return create(self, request)

    monkeypatch.setattr(SandboxGateway, "create_payment", refuse)
    assert pay(merchant_server)["status"] == "succeeded"


def test_without_budget_nobody_else_is_tried(
    fail_first: Fail, merchant_server: MerchantServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    fail_first("processing_error")
    monkeypatch.setattr(charging, "may_retry", lambda: False)
    assert pay(merchant_server)["failure_code"] == "processing_error"
    assert Payment.objects.count() == 1


def test_no_more_accounts_are_tried_than_allowed(
    fail_first: Fail, merchant_server: MerchantServer, settings: Any
) -> None:
    settings.PAYCORE_MAX_PAYMENT_ATTEMPTS = 1
    fail_first("gateway_unavailable")
    assert pay(merchant_server)["status"] == "failed"
    assert Payment.objects.count() == 1
