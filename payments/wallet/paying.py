"""What merchants' payments do to a wallet: pay, hold, take, let go, give back. Each is one transaction, and the same
number twice is once. Only the adapter asks for it (through :mod:`payments.wallet.provider`)."""

from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db import IntegrityError, transaction

from paycore.clock import database_now
from paycore.errors import NotFound
from paycore.money import Money
from payments.ledger import chart
from payments.ledger.services import Leg
from payments.wallet import books
from payments.wallet.errors import NotPossibleNow, TermsDiffer
from payments.wallet.models import Wallet, WalletOperation, WalletTopUp
from payments.wallet.moving import Deed, Kind, lock_wallet, lock_wallet_of, moment_of, move, refuse, spendable

FROZEN, TOO_LITTLE, TOP_UP = "frozen", "too_little", "top_up"


@dataclass(frozen=True, slots=True)
class Charge:
    """``order_reference`` is what is paid for; ``is_hold``: take it later."""

    reference: str
    user_id: str
    amount: Money
    order_reference: str
    gateway_account_id: str
    is_hold: bool = False

    @property
    def kind(self) -> WalletOperation.Kind:
        return Kind.HOLD if self.is_hold else Kind.PAY


@dataclass(frozen=True, slots=True)
class Attempt:
    """What is known of one payment. ``state``: paid, held, refused, void."""

    reference: str
    state: str
    operation_id: str
    amount: Money | None
    taken_minor: int
    refusal: str
    at: datetime


def pay(charge: Charge) -> Attempt:
    """PayerUnknown, TermsDiffer, NotPossibleNow (closed before). Too little money is an answer, not an error."""
    try:
        with transaction.atomic():
            return _pay(charge)
    except IntegrityError as error:
        if not any(name in str(error) for name in ("wallet_operation_one_attempt", "wallet_operation_once")):
            raise
    # The same number, closed or paid by somebody else, came in between: now it is seen.
    with transaction.atomic():
        return _pay(charge)


def _pay(charge: Charge) -> Attempt:
    wallet = lock_wallet_of(charge.user_id, currency=charge.amount.currency)
    known = _opening(charge.reference)
    if known is not None:
        if known.kind == Kind.CLOSE:
            raise NotPossibleNow
        if (known.wallet_id, known.kind, known.amount_minor) != (wallet.id, charge.kind, charge.amount.minor):
            raise TermsDiffer
        return _attempt(known)
    deed = Deed(charge.kind, charge.reference, charge.amount, charge.reference, charge.gateway_account_id)
    if because := _why_not(wallet, charge):
        return _attempt(refuse(wallet, deed, because=because))
    goes_to = books.held(wallet.user_id) if charge.is_hold else chart.gateway(charge.gateway_account_id)
    leg = Leg(books.spendable(wallet.user_id), goes_to, charge.amount)
    return _attempt(move(wallet, deed, legs=[leg], change=-charge.amount))


def _why_not(wallet: Wallet, charge: Charge) -> str:
    if wallet.is_frozen:
        return FROZEN
    if WalletTopUp.objects.filter(order_id=charge.order_reference).exists():
        return TOP_UP  # out of the wallet into the wallet
    return TOO_LITTLE if spendable(wallet) < charge.amount else ""


def look_up(reference: str) -> Attempt:
    """A hold that nobody took for ``PAYCORE_WALLET_HOLD_DAYS`` ends when it is asked about. NotFound."""
    opening = _require_opening(reference)
    attempt = _attempt(opening)
    lasts = timedelta(days=settings.PAYCORE_WALLET_HOLD_DAYS)
    if attempt.state != "held" or database_now() - attempt.at < lasts:
        return attempt
    with suppress(NotPossibleNow):  # taken a moment ago
        void(reference)
    return _attempt(opening)


def capture(reference: str, *, capture_reference: str, amount: Money) -> Attempt:
    """Take a part of a hold. NotFound, TermsDiffer, NotPossibleNow."""
    with transaction.atomic():
        opening, wallet = _lock_attempt(reference)
        known = WalletOperation.objects.filter(kind=Kind.CAPTURE, reference=capture_reference).first()
        if known is not None:
            if (known.payment_reference, known.amount) != (reference, amount):
                raise TermsDiffer
            return _attempt(opening)
        if amount.currency != wallet.currency or not 0 < amount.minor <= _still_held(opening).minor:
            raise NotPossibleNow
        deed = Deed(Kind.CAPTURE, capture_reference, amount, reference, opening.gateway_account_id)
        leg = Leg(books.held(wallet.user_id), chart.gateway(opening.gateway_account_id), amount)
        move(wallet, deed, legs=[leg])
        return _attempt(opening)


def void(reference: str) -> Attempt:
    """Let the rest of a hold go. NotFound, NotPossibleNow."""
    with transaction.atomic():
        opening, wallet = _lock_attempt(reference)
        if _of_payment(opening, Kind.RELEASE):
            return _attempt(opening)
        rest = _still_held(opening)
        if not rest.minor:
            raise NotPossibleNow
        deed = Deed(Kind.RELEASE, reference, rest, reference, opening.gateway_account_id)
        leg = Leg(books.held(wallet.user_id), books.spendable(wallet.user_id), rest)
        move(wallet, deed, legs=[leg], change=rest)
        return _attempt(opening)


def close(reference: str) -> Attempt:
    """An unpaid number can never be paid; a known one stays what it is."""
    with transaction.atomic():
        tombstone = WalletOperation(kind=Kind.CLOSE, reference=reference, amount_minor=0, change_minor=0)
        WalletOperation.objects.bulk_create([tombstone], ignore_conflicts=True)
        return _attempt(_require_opening(reference))


def refund(reference: str, *, payment_reference: str, amount: Money) -> WalletOperation:
    """NotFound, TermsDiffer, NotPossibleNow (more than was taken, or the person is gone)."""
    with transaction.atomic():
        opening, wallet = _lock_attempt(payment_reference)
        known = WalletOperation.objects.filter(kind=Kind.REFUND, reference=reference).first()
        if known is not None:
            if (known.payment_reference, known.amount) != (payment_reference, amount):
                raise TermsDiffer
            return known
        given_back = sum(operation.amount_minor for operation in _of_payment(opening, Kind.REFUND))
        left = _taken_minor(opening) - given_back
        is_gone = wallet.user.erased_at is not None
        if is_gone or amount.currency != wallet.currency or not 0 < amount.minor <= left:
            raise NotPossibleNow
        deed = Deed(Kind.REFUND, reference, amount, payment_reference, opening.gateway_account_id)
        leg = Leg(chart.gateway(opening.gateway_account_id), books.spendable(wallet.user_id), amount)
        return move(wallet, deed, legs=[leg], change=amount)


def look_up_refund(reference: str) -> WalletOperation:
    """NotFound."""
    found = WalletOperation.objects.filter(kind=Kind.REFUND, reference=reference).first()
    if found is None:
        raise NotFound
    return found


def _opening(reference: str) -> WalletOperation | None:
    kinds = (Kind.PAY, Kind.HOLD, Kind.CLOSE)
    return WalletOperation.objects.filter(reference=reference, kind__in=kinds).first()


def _require_opening(reference: str) -> WalletOperation:
    opening = _opening(reference)
    if opening is None:
        raise NotFound
    return opening


def _lock_attempt(reference: str) -> tuple[WalletOperation, Wallet]:
    """A payment that moved money, and its wallet, locked."""
    opening = _require_opening(reference)
    if opening.wallet_id is None or opening.refusal:
        raise NotPossibleNow
    return opening, lock_wallet(opening.wallet_id)


def _of_payment(opening: WalletOperation, kind: WalletOperation.Kind) -> list[WalletOperation]:
    return list(WalletOperation.objects.filter(payment_reference=opening.reference, kind=kind).order_by("id"))


def _taken_minor(opening: WalletOperation) -> int:
    if opening.kind == Kind.PAY:
        return opening.amount_minor
    return sum(operation.amount_minor for operation in _of_payment(opening, Kind.CAPTURE))


def _still_held(opening: WalletOperation) -> Money:
    if opening.kind != Kind.HOLD or _of_payment(opening, Kind.RELEASE):
        return Money.zero(opening.currency)
    return opening.amount - Money(_taken_minor(opening), opening.currency)


def _attempt(opening: WalletOperation) -> Attempt:
    if opening.kind == Kind.CLOSE:
        return Attempt(opening.reference, "void", opening.id, None, 0, "", moment_of(opening))
    if opening.refusal:
        return Attempt(opening.reference, "refused", opening.id, opening.amount, 0, opening.refusal, moment_of(opening))
    taken = _taken_minor(opening)
    state = "held" if _still_held(opening).minor else ("paid" if taken else "void")
    return Attempt(opening.reference, state, opening.id, opening.amount, taken, "", moment_of(opening))
