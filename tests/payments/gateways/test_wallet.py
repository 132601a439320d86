"""The wallet as a gateway: the contract, and what is special about a provider in our own process."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import pytest
from django.db import transaction

from paycore.http import TransactionOpen
from paycore.money import Money
from payments.gateways.contract import (
    GatewayConfiguration,
    GatewayOutcomeUnknown,
    GatewayRejected,
    GatewayUnavailable,
    HttpRequest,
    HttpResponse,
    Outcome,
    PaymentRequest,
    WebhookRefused,
)
from payments.gateways.failures import FAILURES
from payments.gateways.wallet import WalletGateway
from payments.ledger.queries import balance_of
from payments.wallet.freezing import freeze
from payments.wallet.models import WalletOperation
from payments.wallet.provider import serve
from tests.actors import assert_books_are_whole
from tests.merchants.factories import make_user
from tests.payments.gateways.contract_harness import (
    GatewayHarness,
    SignedCallback,
    Trouble,
    a_payment,
    a_refund,
    hold,
    paid,
)
from tests.payments.gateways.contract_tests import GatewayContractTests
from tests.payments.wallets import fill

pytestmark = pytest.mark.django_db


@dataclass
class TroubledTransport:
    """The real provider, with an accident on the way to it or back."""

    trouble: dict[str, Trouble] = field(default_factory=dict)
    unlisted: set[str] = field(default_factory=set)

    def __call__(self, request: HttpRequest) -> HttpResponse:
        words = json.loads(request.body) if request.body else {}
        reference = words.get("reference", "") or request.url.split("/")[4]
        trouble = self.trouble.pop(reference, None) if request.method == "POST" else None
        if trouble is Trouble.CONNECTION_REFUSED:
            raise GatewayUnavailable("refused", code="not_reached")
        if trouble is Trouble.TIMEOUT_BEFORE_EFFECT:
            raise GatewayOutcomeUnknown("silence", code="no_answer")
        if trouble is Trouble.ERROR_5XX_BEFORE_EFFECT:
            return HttpResponse(502, {}, b"<html>")
        response = serve(request)
        if trouble is Trouble.TIMEOUT_AFTER_EFFECT:
            raise GatewayOutcomeUnknown("silence", code="no_answer")
        if trouble is Trouble.ERROR_5XX_AFTER_EFFECT:
            return HttpResponse(500, {}, b'{"error": "internal_error"}')
        if trouble is Trouble.TORN_ANSWER:
            return replace(response, body=response.body[: len(response.body) // 2])
        if reference in self.unlisted:
            return replace(response, body=json.dumps(json.loads(response.body) | {"state": "levitating"}).encode())
        return response


class WalletHarness(GatewayHarness):
    immediate_method = "wallet"

    def __init__(self) -> None:
        self.user = make_user()
        self.wallet = fill(self.user.pk, Money(5_000, "USD"))
        self.transport = TroubledTransport()
        self.gateway = WalletGateway(GatewayConfiguration("gwa_1", "inprocess://wallet", {}, self.transport))

    def dress(self, request: PaymentRequest) -> PaymentRequest:
        return replace(request, payer_reference=self.user.pk)

    def approve(self, reference: str) -> None:
        raise AssertionError("nobody is asked")

    def payments_made(self) -> int:
        return WalletOperation.objects.filter(kind__in=["pay", "hold"]).count()

    def refunds_made(self) -> int:
        return WalletOperation.objects.filter(kind="refund").count()

    def trouble_next_payment(self, reference: str, trouble: Trouble) -> None:
        self.transport.trouble[reference] = trouble

    def trouble_next_refund(self, reference: str, trouble: Trouble) -> None:
        self.transport.trouble[reference] = trouble

    def decline_next_payment(self, reference: str) -> None:
        freeze(self.wallet.id, reason="a test", by="tests")

    def answer_unlisted_state(self, reference: str) -> None:
        self.transport.unlisted.add(reference)

    def callbacks(self) -> list[SignedCallback]:
        pytest.skip("the wallet sends no callbacks")

    def sign(self, body: bytes, *, age_seconds: int = 0, secret: str | None = None) -> SignedCallback:
        return SignedCallback({}, body)

    def spendable(self) -> int:
        return balance_of(f"wallet:{self.user.pk}", currency="USD").minor


class TestWalletGateway(GatewayContractTests):
    """It sends no callbacks, so nothing can be said of theirs but that all are refused."""

    @pytest.fixture
    def harness(self) -> WalletHarness:
        return WalletHarness()

    @pytest.fixture(autouse=True)
    def _the_books_are_whole_afterwards(self, harness: WalletHarness) -> Iterator[None]:
        yield
        assert_books_are_whole()

    def test_all_callbacks_are_refused(self, harness: WalletHarness) -> None:
        with pytest.raises(WebhookRefused):
            harness.gateway.verify_webhook({"authorization": "anything"}, b"{}")

    def test_too_little_money_is_a_failure_for_good(self, harness: WalletHarness) -> None:
        result = harness.create(a_payment(harness, amount_minor=5_001))
        assert (result.outcome, result.failure_code) == (Outcome.FAILED, "insufficient_funds")
        fill(harness.user.pk, Money(9_000, "USD"))
        assert harness.create(a_payment(harness, amount_minor=5_001)) == result
        assert harness.spendable() == 14_000

    def test_all_that_is_there_can_be_spent_and_one_more_cannot(self, harness: WalletHarness) -> None:
        assert harness.create(a_payment(harness, amount_minor=5_000)).outcome is Outcome.SUCCEEDED
        assert harness.spendable() == 0
        more = harness.create(a_payment(harness, reference="pay_2", amount_minor=1))
        assert more.failure_code == "insufficient_funds"

    def test_a_frozen_wallet_pays_nothing_but_takes_refunds(self, harness: WalletHarness) -> None:
        payment = paid(harness)
        freeze(harness.wallet.id, reason="looked at", by="tests")
        refused = harness.create(a_payment(harness, reference="pay_2"))
        assert (refused.outcome, refused.failure_code) == (Outcome.FAILED, "account_closed")
        assert harness.gateway.create_refund(a_refund(harness, payment, amount_minor=34)).outcome is Outcome.SUCCEEDED
        assert harness.spendable() == 5_000 - 1_234 + 34

    @pytest.mark.parametrize("payer", ["", "usr_nobody"])
    def test_without_a_known_payer_nothing_happens(self, harness: WalletHarness, payer: str) -> None:
        with pytest.raises(GatewayRejected) as refusal:
            harness.gateway.create_payment(replace(a_payment(harness), payer_reference=payer))
        assert refusal.value.code in FAILURES
        assert harness.payments_made() == 0

    def test_another_payer_under_the_same_number_is_refused(self, harness: WalletHarness) -> None:
        paid(harness)
        other = make_user()
        fill(other.pk, Money(5_000, "USD"))
        with pytest.raises(GatewayRejected):
            harness.gateway.create_payment(replace(a_payment(harness), payer_reference=other.pk))
        assert balance_of(f"wallet:{other.pk}", currency="USD").minor == 5_000

    def test_another_currency_is_another_wallet(self, harness: WalletHarness) -> None:
        result = harness.create(a_payment(harness, currency="EUR"))
        assert result.failure_code == "insufficient_funds"
        with pytest.raises(GatewayRejected) as refusal:
            harness.create(a_payment(harness, reference="pay_2", currency="XAU"))
        assert refusal.value.code == "currency_not_supported"

    def test_held_money_is_neither_spendable_nor_gone(self, harness: WalletHarness) -> None:
        hold(harness)
        assert harness.spendable() == 5_000 - 1_234
        assert balance_of(f"wallet:{harness.user.pk}:held", currency="USD").minor == 1_234
        harness.take(amount_minor=1_000)
        assert harness.void().captured_minor == 1_000
        assert harness.spendable() == 4_000
        assert balance_of(f"wallet:{harness.user.pk}:held", currency="USD").minor == 0
        assert balance_of("gateway:gwa_1", currency="USD").minor == -1_000

    def test_a_part_that_was_taken_can_be_given_back_and_no_more(self, harness: WalletHarness) -> None:
        hold(harness)
        harness.take(amount_minor=1_000)
        payment = harness.void()
        assert payment.outcome is Outcome.SUCCEEDED
        with pytest.raises(GatewayRejected):
            harness.gateway.create_refund(a_refund(harness, payment, amount_minor=1_001))
        harness.gateway.create_refund(a_refund(harness, payment, amount_minor=1_000))
        assert harness.spendable() == 5_000

    @pytest.mark.parametrize(
        "body",
        [b"", b"[]", b"null", b"\xff", b'{"reference": "pay_1"}', b'{"reference": "pay_2", "state": "paid"}',
         b'{"reference": "pay_1", "state": "paid", "operation": "x", "amount_minor": "1", "currency": "USD"}'],
    )  # fmt: skip
    @pytest.mark.parametrize("status", [200, 500])
    def test_an_answer_that_is_not_the_wallets_own_says_nothing(
        self, harness: WalletHarness, body: bytes, status: int
    ) -> None:
        def garbled(_request: HttpRequest) -> HttpResponse:
            return HttpResponse(status, {}, body)

        gateway = WalletGateway(GatewayConfiguration("gwa_1", "inprocess://wallet", {}, garbled))
        with pytest.raises(GatewayOutcomeUnknown):
            gateway.fetch_payment("pay_1")
        with pytest.raises(GatewayOutcomeUnknown):
            gateway.create_payment(harness.dress(a_payment(harness)))

    def test_it_answers_when_asked_whether_it_works(self, harness: WalletHarness) -> None:
        assert harness.gateway.probe() == "wallet"


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/payments", b"not json"),
        ("POST", "/payments", b"{}"),
        ("POST", "/payments", b"[]"),
        ("POST", "/refunds", b'{"reference": "ref_1", "payment_reference": "pay_1", "amount_minor": 1.5}'),
        ("POST", "/payments", b'{"reference": "pay_1", "payer": 7}'),
        ("DELETE", "/payments/pay_1", b""),
        ("GET", "/wallets", b""),
    ],
)
def test_the_provider_refuses_what_it_does_not_understand(method: str, path: str, body: bytes) -> None:
    answer = serve(HttpRequest(method, f"inprocess://wallet{path}", {}, body))
    assert answer.status in (400, 404)
    assert not WalletOperation.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_the_provider_is_not_asked_while_a_transaction_is_open() -> None:
    with transaction.atomic(), pytest.raises(TransactionOpen):
        serve(HttpRequest("GET", "inprocess://wallet/payments/pay_1", {}))
