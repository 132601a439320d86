"""One wallet and many at once: what it holds is spent once, whatever comes in and goes out meanwhile."""

import time
from functools import partial

import pytest
from django.db import connection, transaction

from merchants.models import Merchant
from paycore.money import Money
from payments.ledger.queries import balance_of
from payments.orders.charging import pay_order
from payments.orders.clearance import PayInstruction
from payments.orders.models import Order, Payment
from payments.orders.refunds import RefundOrder, approve_refund, request_refund, send_refund
from payments.orders.services import OrderDraft, create_order
from payments.routing.models import GatewayAccount
from payments.wallet import books, moving, paying
from payments.wallet.errors import BalanceTooLow
from payments.wallet.freezing import freeze
from payments.wallet.models import Wallet, WalletOperation, WalletTopUp
from payments.wallet.paying import Charge
from payments.wallet.queries import holdings
from payments.wallet.services import (
    WithdrawalDraft,
    admit_top_up,
    approve_withdrawal,
    credit_top_up,
    note_top_up,
    reject_withdrawal,
    request_withdrawal,
)
from tests.actors import assert_books_are_whole, run_background
from tests.merchants.factories import make_user
from tests.payments.wallets import fill, wallet_account
from tests.races.crew import Crew, Tally

pytestmark = [pytest.mark.races, pytest.mark.django_db(transaction=True)]
TRIALS = 20
CREW = 32
IBAN = "DE89370400440532013000"


@pytest.fixture
def wallets() -> GatewayAccount:
    return wallet_account()


def eur(minor: int) -> Money:
    return Money(minor, "EUR")


def new_wallet(minor: int) -> Wallet:
    user = make_user()
    user.kyc_level = 1
    user.save(update_fields=["kyc_level"])
    return fill(user.pk, eur(minor))


def order_of(wallet: Wallet, merchant: Merchant, *, minor: int, capture: str = "automatic") -> Order:
    draft = OrderDraft(
        merchant_id=merchant.id,
        amount=eur(minor),
        description="A thing",
        user_id=wallet.user_id,
        capture_method=capture,
    )
    return create_order(draft)


def pay(order: Order) -> str:
    payment = pay_order(order, PayInstruction(method="wallet"))
    return payment.failure_code or payment.status


def spendable(wallet: Wallet) -> int:
    return balance_of(books.spendable(wallet.user_id), currency="EUR").minor


def withdraw(wallet: Wallet, *, minor: int) -> str:
    try:
        return request_withdrawal(WithdrawalDraft(wallet.user_id, eur(minor), iban=IBAN, holder="Ada")).status
    except BalanceTooLow:
        return "balance_too_low"


def judge(tally: Tally) -> None:
    tally.assert_no_surprise()
    run_background()
    assert_books_are_whole()


def test_a_wallet_that_somebody_else_holds_takes_nothing_and_says_so(
    merchant: Merchant, wallets: GatewayAccount
) -> None:
    """Nothing happened, which is known: the payment has failed and may be tried again."""
    wallet = new_wallet(1_000)
    order = order_of(wallet, merchant, minor=60)
    other = connection.copy()
    try:
        other.set_autocommit(False)
        with other.cursor() as cursor:
            cursor.execute("SELECT 1 FROM payments_wallet WHERE id = %s FOR UPDATE", [wallet.id])
            assert pay(order) == "gateway_unavailable"
    finally:
        other.rollback()
        other.close()
    assert spendable(wallet) == 1_000
    assert pay(order) == "succeeded"


def test_32_spending_one_balance_get_exactly_what_it_holds(
    crew: Crew, tally: Tally, merchant: Merchant, wallets: GatewayAccount
) -> None:
    for _trial in range(TRIALS // 2):
        wallet = new_wallet(1_000)
        orders = [order_of(wallet, merchant, minor=60) for _ in range(CREW)]

        words = tally.note(crew.at_once(*[partial(pay, order) for order in orders]))
        # On a slow machine some wait for the lock in vain: nothing happened then, and they may try again.
        busy = [order for order, word in zip(orders, words, strict=True) if word == "gateway_unavailable"]
        words = [word for word in words if word != "gateway_unavailable"] + [pay(order) for order in busy]

        assert words.count("succeeded") == 16, words
        assert words.count("insufficient_funds") == 16, words
        assert spendable(wallet) == 1_000 - 16 * 60
        assert Order.objects.filter(user_id=wallet.user_id, status="paid").count() == 16
    assert balance_of(f"gateway:{wallets.id}", currency="EUR").minor == 0
    judge(tally)


def test_paying_withdrawing_refunding_and_topping_up_at_once_add_up(
    crew: Crew, tally: Tally, merchant: Merchant, platform: Merchant, wallets: GatewayAccount
) -> None:
    for _trial in range(TRIALS):
        wallet = new_wallet(3_000)
        bought = [order_of(wallet, merchant, minor=500) for _ in range(4)]
        assert [pay(order) for order in bought] == ["succeeded"] * 4
        refunds = [_approved_refund(order, minor=300) for order in bought]
        new_orders = [order_of(wallet, merchant, minor=700) for _ in range(8)]
        back = request_withdrawal(WithdrawalDraft(wallet.user_id, eur(500), iban=IBAN, holder="Ada")).id
        coming = _paid_top_up(wallet, platform)

        words = tally.note(
            crew.at_once(
                *[partial(pay, order) for order in new_orders],
                *[partial(withdraw, wallet, minor=600) for _ in range(3)],
                *[lambda refund=refund: send_refund(refund).status for refund in refunds],
                lambda back=back: reject_withdrawal(back, by="usr_ops", note="no").status,
                lambda order=coming: credit_top_up(order.id, payment_id="", merchant_id=platform.id) or "credited",
            )
        )

        paid, drawn = words[:8].count("succeeded"), words[8:11].count("requested")
        assert words[11:15] == ["succeeded"] * 4
        assert words[15:] == ["rejected", "credited"]
        came_in = 500 + 4 * 300 + 500 + 1_000
        assert spendable(wallet) == came_in - paid * 700 - drawn * 600
        assert holdings(wallet).withdrawing.minor == drawn * 600
    # The orders of the top-ups were never paid by anybody: only their credit raced.
    tally.assert_no_surprise()
    assert_books_are_whole()


def test_a_top_up_told_by_many_at_once_is_credited_once(
    crew: Crew, tally: Tally, platform: Merchant, wallets: GatewayAccount
) -> None:
    for _trial in range(TRIALS):
        wallet = new_wallet(1)
        order = _paid_top_up(wallet, platform)
        tell = partial(credit_top_up, order.id, payment_id="", merchant_id=platform.id)

        tally.note(crew.at_once(*[tell] * 8))

        assert spendable(wallet) == 1_001
    tally.assert_no_surprise()
    assert WalletOperation.objects.filter(kind="top_up").count() == 2 * TRIALS
    assert_books_are_whole()


def test_a_payment_sent_many_times_or_closed_meanwhile_is_one_or_none(
    crew: Crew, tally: Tally, wallets: GatewayAccount
) -> None:
    ends: set[str] = set()
    for trial in range(TRIALS * 3):
        wallet = new_wallet(1_000)
        charge = Charge(f"pay_{trial}", wallet.user_id, eur(400), f"ord_{trial}", wallets.id)

        def send(charge: Charge = charge) -> str:
            return paying.pay(charge).state

        def close(reference: str = charge.reference, head_start: float = trial % 6 * 0.003) -> str:
            time.sleep(head_start)  # a closing alone is so quick that it would always come first
            return paying.close(reference).state

        words = tally.note(crew.at_once(send, send, send, close))

        state = paying.look_up(charge.reference).state
        ends.add(state)
        assert words == (["paid"] * 4 if state == "paid" else ["not_possible_now"] * 3 + ["void"])
        assert spendable(wallet) == (600 if state == "paid" else 1_000)
    assert ends == {"paid", "void"}, "the race was not met"
    tally.assert_no_surprise()


def test_captures_and_a_void_at_once_take_or_let_go_the_whole_hold(
    crew: Crew, tally: Tally, wallets: GatewayAccount
) -> None:
    for trial in range(TRIALS):
        wallet = new_wallet(1_000)
        hold = Charge(f"pay_{trial}", wallet.user_id, eur(900), f"ord_{trial}", wallets.id, is_hold=True)
        paying.pay(hold)

        def take(part: int, hold: Charge = hold, trial: int = trial) -> str:
            reference = f"cap_{trial}_{part}"
            return paying.capture(hold.reference, capture_reference=reference, amount=eur(300)).state

        tally.note(
            crew.at_once(
                *[partial(take, part) for part in range(4)], lambda hold=hold: paying.void(hold.reference).state
            )
        )

        taken = paying.look_up(hold.reference).taken_minor
        assert taken in (0, 300, 600, 900)
        assert spendable(wallet) == 1_000 - taken
        assert holdings(wallet).held.minor == 0
    tally.assert_no_surprise()


def test_freezing_stops_every_payment_after_it(
    crew: Crew, tally: Tally, merchant: Merchant, wallets: GatewayAccount
) -> None:
    for _trial in range(TRIALS):
        wallet = new_wallet(1_000)
        orders = [order_of(wallet, merchant, minor=10) for _ in range(8)]

        words = tally.note(
            crew.at_once(
                *[partial(pay, order) for order in orders],
                lambda wallet=wallet: freeze(wallet.id, reason="race", by="tests").status,
            )
        )

        assert set(words[:8]) <= {"succeeded", "account_closed"}
        assert spendable(wallet) == 1_000 - 10 * words.count("succeeded")
        frozen_at = Wallet.objects.get(id=wallet.id).frozen_at
        assert not wallet.operations.filter(refusal="", created_at__gt=frozen_at).exists()
    judge(tally)


def test_two_people_deciding_at_once_decide_once(crew: Crew, tally: Tally) -> None:
    for _trial in range(TRIALS):
        wallet = new_wallet(10_000)
        row = request_withdrawal(WithdrawalDraft(wallet.user_id, eur(5_000), iban=IBAN, holder="Ada")).id

        words = tally.note(
            crew.at_once(
                lambda row=row: approve_withdrawal(row, by="usr_one").status,
                lambda row=row: approve_withdrawal(row, by="usr_two").status,
                lambda row=row: reject_withdrawal(row, by="usr_three", note="no").status,
            )
        )

        assert sorted(words) in (["approved"] + ["illegal_transition"] * 2, ["illegal_transition"] * 2 + ["rejected"])
        assert spendable(wallet) == (5_000 if "approved" in words else 10_000)
    tally.assert_no_surprise()


def test_without_the_lock_the_ledger_still_refuses_what_is_not_there(
    crew: Crew, tally: Tally, wallets: GatewayAccount, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The detector sees what the lock is for: some attempts end in the CHECK, and none below zero."""

    def unlocked(user_id: str, *, currency: str) -> Wallet:
        return Wallet.objects.get(user_id=user_id, currency=currency)

    monkeypatch.setattr(paying, "lock_wallet_of", unlocked)
    for trial in range(TRIALS):
        wallet = new_wallet(1_000)
        charges = [Charge(f"pay_{trial}_{n}", wallet.user_id, eur(400), "ord_x", wallets.id) for n in range(8)]

        tally.note(crew.at_once(*[lambda charge=charge: paying.pay(charge).state for charge in charges]))

        assert spendable(wallet) in (200, 600)
    assert tally.outcomes["IntegrityError"], "without the lock nothing ever collided: the test proves nothing"
    assert moving.lock_wallet_of is not unlocked
    assert_books_are_whole()


def _approved_refund(order: Order, *, minor: int) -> str:
    payment = Payment.objects.get(order=order, status="succeeded")
    request = RefundOrder(payment_id=payment.id, amount=eur(minor), reason="race", requested_by="tests")
    refund = request_refund(request)
    if refund.status == "requested":
        approve_refund(refund.id, reviewed_by="usr_ops")
    return refund.id


def _paid_top_up(wallet: Wallet, platform: Merchant) -> Order:
    """A top-up of ten euros whose payment came in (by another account than the wallet's)."""
    with transaction.atomic():
        admitted = admit_top_up(user_id=wallet.user_id, amount=eur(1_000))
        order = order_of(wallet, platform, minor=1_000)
        note_top_up(admitted, order_id=order.id, amount=eur(1_000))
    assert WalletTopUp.objects.filter(order=order).exists()
    return order
