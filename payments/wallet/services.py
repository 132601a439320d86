"""Money on its way into a wallet and out of it. What merchants' payments do to it is in :mod:`payments.wallet.paying`.

``top-up``: admitted (limits) → its order is paid → credited in full. ``withdrawal``: reserved with the request →
reviewed (two people above a limit) → sent in a payout file → paid, or given back.
"""

from dataclasses import dataclass, field
from datetime import timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import Sum
from stdnum import iban as iban_numbers
from stdnum.exceptions import ValidationError

from accounts.models import KycLevel, User
from paycore.clock import database_now
from paycore.errors import NotFound
from paycore.money import Money
from paycore.notifications.addresses import Recipient
from paycore.notifications.services import notify
from payments.ledger import chart
from payments.ledger.queries import transfers_of
from payments.ledger.services import Leg
from payments.wallet import books, limits, transitions
from payments.wallet.errors import (
    BalanceTooLow,
    BalanceWouldExceedLimit,
    IbanInvalid,
    IdentityNotKnownEnough,
    ReasonMissing,
    SecondPersonNeeded,
    TooManyWithdrawals,
    WalletIsFrozen,
    WithdrawalIsYourOwn,
)
from payments.wallet.models import Wallet, WalletTopUp, WalletWithdrawal
from payments.wallet.moving import Deed, Kind, lock_wallet, lock_wallet_of, move, spendable
from payments.wallet.queries import total_of

Status = WalletWithdrawal.Status
A_DAY = timedelta(days=1)


def admit_top_up(*, user_id: str, amount: Money) -> Wallet:
    """The wallet, locked, if it may take ``amount`` more: whatever is on its way already counts.

    CurrencyNotOffered, AmountOutsideLimits, WalletIsFrozen, BalanceWouldExceedLimit.
    """
    limits.check_top_up(amount)
    wallet = lock_wallet_of(user_id, currency=amount.currency)
    if wallet.is_frozen:
        raise WalletIsFrozen
    coming = wallet.top_ups.filter(status=WalletTopUp.Status.WAITING, order__status__in=("open", "paid"))
    waiting = coming.aggregate(total=Sum("amount_minor"))["total"]
    most = limits.largest_balance(amount.currency)
    would_be = total_of(wallet) + Money(waiting or 0, amount.currency) + amount
    if most is not None and would_be > most:
        raise BalanceWouldExceedLimit(max_minor=most.minor, currency=most.currency)
    return wallet


def note_top_up(wallet: Wallet, *, order_id: str, amount: Money) -> WalletTopUp:
    """What the order is for. In the transaction that made it, under the wallet's lock."""
    return WalletTopUp.objects.create(
        wallet=wallet, order_id=order_id, currency=amount.currency, amount_minor=amount.minor
    )


def credit_top_up(order_id: str, *, payment_id: str, merchant_id: str) -> None:
    """The order of a top-up was paid: the whole amount is the user's, once. Other orders are none of its business.

    ``merchant_id`` is the platform, whose own fee the door took from its own share: it goes back there first.
    """
    with transaction.atomic():
        top_up = _lock_top_up(order_id)
        if top_up is None or top_up.status == WalletTopUp.Status.CREDITED:
            return
        transitions.TOP_UP.require(top_up.status, WalletTopUp.Status.CREDITED)
        owner, user_id = chart.merchant_pending(merchant_id), top_up.wallet.user_id
        legs = [
            Leg(chart.REVENUE_FEES, owner, _fee_booked(payment_id, currency=top_up.currency)),
            Leg(owner, books.spendable(user_id), top_up.amount),
        ]
        move(top_up.wallet, Deed(Kind.TOP_UP, top_up.id, top_up.amount), legs=legs, change=top_up.amount)
        top_up.status, top_up.credited_at = WalletTopUp.Status.CREDITED, database_now()
        top_up.save(update_fields=["status", "credited_at"])
        _tell(top_up.wallet, template="wallet_topped_up", amount=top_up.amount, occasion=top_up.id)


@dataclass(frozen=True, slots=True)
class WithdrawalDraft:
    """Where the money goes: the user's own account at a bank."""

    user_id: str
    amount: Money
    iban: str = field(repr=False)
    holder: str = field(repr=False)


def request_withdrawal(draft: WithdrawalDraft) -> WalletWithdrawal:
    """Reserve the amount and ask people to look at it.

    IbanInvalid, CurrencyNotOffered, AmountOutsideLimits, IdentityNotKnownEnough, WalletIsFrozen, TooManyWithdrawals,
    BalanceTooLow.
    """
    try:
        iban = iban_numbers.validate(draft.iban)
    except ValidationError:
        raise IbanInvalid from None
    limits.check_withdrawal(draft.amount)
    with transaction.atomic():
        wallet = lock_wallet_of(draft.user_id, currency=draft.amount.currency)
        _refuse_withdrawal(wallet, draft.amount)
        withdrawal = WalletWithdrawal.objects.create(
            wallet=wallet,
            currency=draft.amount.currency,
            amount_minor=draft.amount.minor,
            iban=iban,
            iban_masked=f"{iban[:4]}…{iban[-4:]}",
            holder=draft.holder,
        )
        leg = Leg(books.spendable(wallet.user_id), books.withdrawing(wallet.user_id), draft.amount)
        move(wallet, Deed(Kind.WITHDRAW, withdrawal.id, draft.amount), legs=[leg], change=-draft.amount)
    withdrawal.refresh_from_db(fields=["created_at"])
    return withdrawal


def approve_withdrawal(withdrawal_id: str, *, by: str, note: str = "") -> WalletWithdrawal:
    """A person agrees; above the limit, two. NotFound, WithdrawalIsYourOwn, SecondPersonNeeded, IllegalTransition,
    WalletIsFrozen."""
    with transaction.atomic():
        withdrawal = _lock_withdrawal(withdrawal_id)
        wallet = withdrawal.wallet
        if wallet.user_id == by:
            raise WithdrawalIsYourOwn
        if wallet.is_frozen:
            raise WalletIsFrozen
        is_first_of_two = withdrawal.status == Status.REQUESTED and limits.needs_second_person(withdrawal.amount)
        target = Status.HALF_APPROVED if is_first_of_two else Status.APPROVED
        transitions.WITHDRAWAL.require(withdrawal.status, target)
        if withdrawal.first_approved_by == by:
            raise SecondPersonNeeded
        if is_first_of_two:
            withdrawal.first_approved_by = by
        else:
            withdrawal.reviewed_by, withdrawal.reviewed_at = by, database_now()
        withdrawal.status, withdrawal.review_note = target, note[:300]
        withdrawal.save(update_fields=["status", "first_approved_by", "reviewed_by", "reviewed_at", "review_note"])
    return withdrawal


def reject_withdrawal(withdrawal_id: str, *, by: str, note: str) -> WalletWithdrawal:
    """A person says no: the money is spendable again and the user is told why. NotFound, WithdrawalIsYourOwn,
    ReasonMissing, IllegalTransition."""
    if not note.strip():
        raise ReasonMissing
    with transaction.atomic():
        withdrawal = _lock_withdrawal(withdrawal_id)
        if withdrawal.wallet.user_id == by:
            raise WithdrawalIsYourOwn
        transitions.WITHDRAWAL.require(withdrawal.status, Status.REJECTED)
        if withdrawal.first_approved_by == by:
            withdrawal.first_approved_by = ""  # who agreed may think again
        now = database_now()
        withdrawal.status, withdrawal.reviewed_by, withdrawal.review_note = Status.REJECTED, by, note.strip()[:300]
        withdrawal.reviewed_at = withdrawal.ended_at = now
        withdrawal.save(
            update_fields=["status", "first_approved_by", "reviewed_by", "review_note", "reviewed_at", "ended_at"]
        )
        _give_back(withdrawal)
        _tell_of(withdrawal, template="withdrawal_rejected", reason=withdrawal.review_note)
    return withdrawal


def withdrawal_sent(withdrawal_id: str, *, batch: str) -> WalletWithdrawal:
    """It is in a payout file; ``batch`` says in which. The same batch twice is once. NotFound, IllegalTransition,
    WalletIsFrozen."""
    with transaction.atomic():
        withdrawal = _lock_withdrawal(withdrawal_id)
        if withdrawal.status == Status.SENT and withdrawal.batch == batch:
            return withdrawal
        if withdrawal.wallet.is_frozen:
            raise WalletIsFrozen
        transitions.WITHDRAWAL.require(withdrawal.status, Status.SENT)
        withdrawal.status, withdrawal.batch, withdrawal.sent_at = Status.SENT, batch, database_now()
        withdrawal.save(update_fields=["status", "batch", "sent_at"])
    return withdrawal


def withdrawal_paid(withdrawal_id: str, *, bank_account_code: str) -> WalletWithdrawal:
    """The bank's statement shows it. ``bank_account_code`` is the ledger's (``bank:…``), from where it was paid. Twice
    is once. NotFound, IllegalTransition."""
    with transaction.atomic():
        withdrawal = _lock_withdrawal(withdrawal_id)
        if withdrawal.status == Status.PAID:
            return withdrawal
        transitions.WITHDRAWAL.require(withdrawal.status, Status.PAID)
        withdrawal.status, withdrawal.ended_at = Status.PAID, database_now()
        withdrawal.bank_account_code = bank_account_code
        withdrawal.save(update_fields=["status", "ended_at", "bank_account_code"])
        leg = Leg(books.withdrawing(withdrawal.wallet.user_id), bank_account_code, withdrawal.amount)
        move(withdrawal.wallet, Deed(Kind.WITHDRAW_PAID, withdrawal.id, withdrawal.amount), legs=[leg])
        _tell_of(withdrawal, template="withdrawal_paid")
    return withdrawal


def withdrawal_failed(withdrawal_id: str, *, reason: str) -> WalletWithdrawal:
    """The bank did not do it, or sent it back: the money is spendable again. Twice is once. NotFound,
    IllegalTransition."""
    with transaction.atomic():
        withdrawal = _lock_withdrawal(withdrawal_id)
        if withdrawal.status == Status.FAILED:
            return withdrawal
        transitions.WITHDRAWAL.require(withdrawal.status, Status.FAILED)
        withdrawal.status, withdrawal.ended_at = Status.FAILED, database_now()
        withdrawal.failure_reason = reason[:300]
        withdrawal.save(update_fields=["status", "ended_at", "failure_reason"])
        _give_back(withdrawal)
        _tell_of(withdrawal, template="withdrawal_failed")
    return withdrawal


def _refuse_withdrawal(wallet: Wallet, amount: Money) -> None:
    if User.objects.get(pk=wallet.user_id).kyc_level < KycLevel.PHONE:
        raise IdentityNotKnownEnough(required_level=int(KycLevel.PHONE))
    if wallet.is_frozen:
        raise WalletIsFrozen
    of_today = wallet.withdrawals.filter(created_at__gt=database_now() - A_DAY).count()
    if of_today >= settings.PAYCORE_WALLET_WITHDRAWALS_A_DAY:
        raise TooManyWithdrawals(retry_after_seconds=int(A_DAY.total_seconds()))
    if spendable(wallet) < amount:
        raise BalanceTooLow(spendable_minor=spendable(wallet).minor, currency=amount.currency)


def _give_back(withdrawal: WalletWithdrawal) -> None:
    """From where it is: still reserved, or returned by the bank that had paid it."""
    user_id = withdrawal.wallet.user_id
    source = withdrawal.bank_account_code or books.withdrawing(user_id)
    leg = Leg(source, books.spendable(user_id), withdrawal.amount)
    deed = Deed(Kind.WITHDRAW_BACK, withdrawal.id, withdrawal.amount)
    move(withdrawal.wallet, deed, legs=[leg], change=withdrawal.amount)


def _lock_top_up(order_id: str) -> WalletTopUp | None:
    wallet_id = WalletTopUp.objects.filter(order_id=order_id).values_list("wallet_id", flat=True).first()
    if wallet_id is None:
        return None
    wallet = lock_wallet(wallet_id)
    top_up = WalletTopUp.objects.select_for_update(no_key=True).get(order_id=order_id)
    top_up.wallet = wallet
    return top_up


def _lock_withdrawal(withdrawal_id: str) -> WalletWithdrawal:
    wallet_id = WalletWithdrawal.objects.filter(id=withdrawal_id).values_list("wallet_id", flat=True).first()
    if wallet_id is None:
        raise NotFound
    wallet = lock_wallet(wallet_id)
    withdrawal = WalletWithdrawal.objects.select_for_update(no_key=True).get(id=withdrawal_id)
    withdrawal.wallet = wallet
    return withdrawal


def _fee_booked(payment_id: str, *, currency: str) -> Money:
    """What the door booked of this payment as the platform's fee."""
    transfers = transfers_of("payment", payment_id)
    return Money(sum(t.amount_minor for t in transfers if t.credit_account.code == chart.REVENUE_FEES), currency)


def _tell_of(withdrawal: WalletWithdrawal, *, template: str, reason: str = "") -> None:
    _tell(
        withdrawal.wallet,
        template=template,
        amount=withdrawal.amount,
        occasion=withdrawal.id,
        bank_account=withdrawal.iban_masked,
        reason=reason,
    )


def _tell(wallet: Wallet, *, template: str, amount: Money, occasion: str, **more: str) -> None:
    notify(
        template=template,
        to=Recipient(user_id=wallet.user_id),
        context={"amount_minor": amount.minor, "currency": amount.currency, "reference": occasion, **more},
        key=f"{template}:{occasion}",
    )
