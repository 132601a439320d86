"""A wallet's payment and refund, killed with SIGKILL on both sides of every commit: afterwards one effect or none."""

import os
import signal
from collections.abc import Callable, Iterator

import pytest
from django.db import connections

from merchants.models import Merchant
from paycore.clock import database_now
from paycore.money import Money
from payments.ledger.queries import balance_of
from payments.orders.charging import load, pay_order, submit_again
from payments.orders.clearance import PayInstruction
from payments.orders.models import Order, Payment, Refund
from payments.orders.refunds import RefundOrder, approve_refund, request_refund, send_refund
from payments.orders.services import OrderDraft, cancel_order, create_order
from payments.routing.models import GatewayAccount
from payments.wallet import books
from payments.wallet.models import Wallet, WalletOperation
from tests.actors import assert_books_are_whole, run_background, sync
from tests.faults.cuts import Cut, arm
from tests.merchants.factories import make_user
from tests.payments.wallets import fill, wallet_account

pytestmark = pytest.mark.django_db(transaction=True)

PAY_CUTS = {
    "after_intent": Cut("payments.orders.statements:begin", "after"),
    "before_the_wallet": Cut("payments.wallet.paying:pay", "before"),
    "in_the_wallet": Cut("payments.wallet.paying:_pay", "uncommitted"),
    "after_the_wallet": Cut("payments.wallet.paying:pay", "after"),
    "in_the_door": Cut("payments.orders.statements:apply", "uncommitted"),
    "after_the_door": Cut("payments.orders.statements:apply", "after"),
}
HAS_TAKEN = {"after_the_wallet", "in_the_door", "after_the_door"}
REFUND_CUTS = {
    "before_the_wallet": Cut("payments.wallet.paying:refund", "before"),
    "in_the_wallet": Cut("payments.wallet.paying:refund", "uncommitted"),
    "after_the_wallet": Cut("payments.wallet.paying:refund", "after"),
    "in_the_door": Cut("payments.orders.refunds:record_refund_result", "uncommitted"),
}
_kept: list[object] = []


@pytest.fixture
def wallet(merchant: Merchant) -> Wallet:
    wallet_account()
    return fill(make_user().pk, Money(5_000, "EUR"))


@pytest.fixture
def order(wallet: Wallet, merchant: Merchant) -> Order:
    draft = OrderDraft(
        merchant_id=merchant.id, amount=Money(1_999, "EUR"), description="A thing", user_id=wallet.user_id
    )
    return create_order(draft)


def die_at(cut: Cut, work: Callable[[], object]) -> None:
    """``work`` in a child process with a connection of its own, killed at the cut."""
    pid = os.fork()
    if pid == 0:
        try:
            for alias in connections:
                # The parent's socket must neither be used nor closed politely.
                _kept.append(connections[alias].connection)
                connections[alias].connection = None
            arm(cut)
            work()
        finally:
            os._exit(1)
    _pid, status = os.waitpid(pid, 0)
    assert os.WIFSIGNALED(status), "the cut was not reached"
    assert os.WTERMSIG(status) == signal.SIGKILL


def spendable(wallet: Wallet) -> int:
    return balance_of(books.spendable(wallet.user_id), currency="EUR").minor


@pytest.fixture(autouse=True)
def _whole_afterwards(wallet: Wallet) -> Iterator[None]:
    yield
    run_background()
    assert_books_are_whole()
    account = GatewayAccount.objects.get(gateway="wallet")
    assert balance_of(f"gateway:{account.id}", currency="EUR").minor == 0


@pytest.mark.parametrize("recovery", ["asked", "sent_again", "canceled"])
@pytest.mark.parametrize("cut", PAY_CUTS)
def test_a_payment_killed_anywhere_takes_the_money_once_or_not_at_all(
    wallet: Wallet, order: Order, cut: str, recovery: str
) -> None:
    die_at(PAY_CUTS[cut], lambda: pay_order(order, PayInstruction(method="wallet")))
    payment = Payment.objects.get(order=order)
    assert spendable(wallet) == (3_001 if cut in HAS_TAKEN else 5_000)

    if recovery == "sent_again" and not payment.is_final:
        submit_again(load(payment.id))
    elif recovery == "canceled" and not payment.is_final and cut not in HAS_TAKEN:
        cancel_order(order.id)
    else:
        sync(payment.id)

    payment.refresh_from_db()
    order.refresh_from_db()
    is_paid = cut in HAS_TAKEN or recovery == "sent_again"
    assert spendable(wallet) == (3_001 if is_paid else 5_000)
    assert WalletOperation.objects.filter(kind="pay").count() == is_paid
    if is_paid:
        assert (payment.status, order.status) == ("succeeded", "paid")
    elif recovery == "canceled":
        assert (payment.status, order.status) == ("canceled", "canceled")
    else:
        assert payment.status == "submitting", "what was not found is unknown until it is closed"


@pytest.mark.parametrize("cut", REFUND_CUTS)
def test_a_refund_killed_anywhere_gives_back_once(wallet: Wallet, order: Order, cut: str) -> None:
    payment = pay_order(order, PayInstruction(method="wallet"))
    request = RefundOrder(payment_id=payment.id, amount=Money(999, "EUR"), reason="x", requested_by="tests")
    refund_id = request_refund(request).id
    approve_refund(refund_id, reviewed_by="usr_ops")

    die_at(REFUND_CUTS[cut], lambda: send_refund(refund_id))
    for _again in range(2):
        send_refund(refund_id)

    refund = Refund.objects.get(id=refund_id)
    assert refund.status == "succeeded"
    assert refund.attempts > 1, "the killed sending counts"
    assert spendable(wallet) == 4_000
    assert WalletOperation.objects.filter(kind="refund").count() == 1
    assert database_now() >= refund.succeeded_at
