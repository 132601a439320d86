"""The one way a wallet's money moves: its row is locked, then operation and posting are written together."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction

from accounts.models import User
from paycore.errors import NotFound
from paycore.money import Money
from payments.ledger.queries import balance_of
from payments.ledger.services import Entry, Leg, post
from payments.wallet import books
from payments.wallet.errors import PayerUnknown
from payments.wallet.models import Wallet, WalletOperation

Kind = WalletOperation.Kind


@dataclass(frozen=True, slots=True)
class Deed:
    """What an operation is about. ``reference`` makes it happen once of its kind."""

    kind: WalletOperation.Kind
    reference: str
    amount: Money
    payment_reference: str = ""
    gateway_account_id: str = ""


def lock_wallet_of(user_id: str, *, currency: str) -> Wallet:
    """The user's wallet in this currency, opened on first use. PayerUnknown for nobody's id."""
    if not Wallet.objects.filter(user_id=user_id, currency=currency).exists():
        if not User.objects.filter(pk=user_id).exists():
            raise PayerUnknown
        Wallet.objects.bulk_create([Wallet(user_id=user_id, currency=currency)], ignore_conflicts=True)
    return Wallet.objects.select_for_update(no_key=True).get(user_id=user_id, currency=currency)


def lock_wallet(wallet_id: str) -> Wallet:
    wallet = Wallet.objects.select_for_update(no_key=True).filter(id=wallet_id).first()
    if wallet is None:
        raise NotFound
    return wallet


def spendable(wallet: Wallet) -> Money:
    return balance_of(books.spendable(wallet.user_id), currency=wallet.currency)


def move(wallet: Wallet, deed: Deed, *, legs: Sequence[Leg], change: Money | None = None) -> WalletOperation:
    """Write what happened and post it. ``change`` is what it does to what can be spent (none: nothing). The caller
    holds the wallet's lock and has seen that there is enough; the ledger's CHECK refuses anything else."""
    changed = change or Money.zero(wallet.currency)
    operation = _operation(wallet, deed)
    operation.change_minor = changed.minor
    operation.balance_after_minor = (spendable(wallet) + changed).minor
    operation.save(force_insert=True)
    post(Entry("wallet", operation.id, deed.kind, legs))
    return operation


def refuse(wallet: Wallet, deed: Deed, *, because: str) -> WalletOperation:
    """Write that it was refused for good; nothing moves."""
    operation = _operation(wallet, deed)
    operation.refusal = because
    operation.balance_after_minor = spendable(wallet).minor
    operation.save(force_insert=True)
    return operation


def moment_of(operation: WalletOperation) -> datetime:
    """When it happened, by the database's clock, which fills it in."""
    if not isinstance(operation.created_at, datetime):
        operation.refresh_from_db(fields=["created_at"])
    return operation.created_at


def _operation(wallet: Wallet, deed: Deed) -> WalletOperation:
    if not transaction.get_connection().in_atomic_block:
        raise transaction.TransactionManagementError("a wallet's lock lasts as long as a transaction")
    return WalletOperation(
        wallet=wallet,
        kind=deed.kind,
        reference=deed.reference,
        payment_reference=deed.payment_reference,
        gateway_account_id=deed.gateway_account_id,
        currency=deed.amount.currency,
        amount_minor=deed.amount.minor,
        change_minor=0,
    )
