"""Reading wallets."""

from dataclasses import dataclass

from django.db.models import OuterRef, QuerySet, Subquery, Value
from django.db.models.functions import Coalesce, Concat

from paycore.errors import NotFound
from paycore.money import Money
from payments.ledger.models import LedgerAccount
from payments.ledger.queries import balance_of
from payments.wallet import books
from payments.wallet.models import Wallet, WalletOperation, WalletTopUp, WalletWithdrawal


@dataclass(frozen=True, slots=True)
class Holdings:
    """What one wallet has: to spend, held by merchants, on its way to the bank."""

    wallet: Wallet
    spendable: Money
    held: Money
    withdrawing: Money


def balance(user_id: str, currency: str) -> Money:
    """What the user can spend now: nothing from a frozen wallet."""
    is_active = Wallet.objects.filter(user_id=user_id, currency=currency, status=Wallet.Status.ACTIVE).exists()
    return balance_of(books.spendable(user_id), currency=currency) if is_active else Money.zero(currency)


def may_pay(user_id: str | None, *, order_id: str, amount: Money) -> bool:
    """Whether checkout may offer the wallet: the payer is known and can spend it, and it is no top-up."""
    return user_id is not None and balance(user_id, amount.currency) >= amount and not is_top_up(order_id)


def is_top_up(order_id: str) -> bool:
    return WalletTopUp.objects.filter(order_id=order_id).exists()


def holdings_of(user_id: str) -> list[Holdings]:
    """Of every wallet of the user, by currency."""
    return [holdings(wallet) for wallet in Wallet.objects.filter(user_id=user_id).order_by("currency")]


def holdings(wallet: Wallet) -> Holdings:
    user_id, currency = wallet.user_id, wallet.currency
    return Holdings(
        wallet=wallet,
        spendable=balance_of(books.spendable(user_id), currency=currency),
        held=balance_of(books.held(user_id), currency=currency),
        withdrawing=balance_of(books.withdrawing(user_id), currency=currency),
    )


def total_of(wallet: Wallet) -> Money:
    held = holdings(wallet)
    return held.spendable + held.held + held.withdrawing


def with_balance(wallets: "QuerySet[Wallet]") -> "QuerySet[Wallet]":
    """Each with ``spendable_minor``, in one query."""
    account = LedgerAccount.objects.filter(code=Concat(Value("wallet:"), OuterRef("user_id")))
    found = account.filter(currency=OuterRef("currency")).values("balance_minor")[:1]
    return wallets.annotate(spendable_minor=Coalesce(Subquery(found), 0))


def operations_of(user_id: str) -> "QuerySet[WalletOperation]":
    """What happened to the user's money; what was refused is not part of it."""
    return WalletOperation.objects.filter(wallet__user_id=user_id, refusal="").select_related("wallet")


def top_ups_of(user_id: str) -> "QuerySet[WalletTopUp]":
    return WalletTopUp.objects.filter(wallet__user_id=user_id)


def get_top_up(user_id: str, top_up_id: str) -> WalletTopUp:
    """NotFound also for another's."""
    found = top_ups_of(user_id).filter(id=top_up_id).first()
    if found is None:
        raise NotFound
    return found


def withdrawals_of(user_id: str) -> "QuerySet[WalletWithdrawal]":
    return WalletWithdrawal.objects.filter(wallet__user_id=user_id)


def get_withdrawal(user_id: str, withdrawal_id: str) -> WalletWithdrawal:
    """NotFound also for another's."""
    found = withdrawals_of(user_id).filter(id=withdrawal_id).first()
    if found is None:
        raise NotFound
    return found


def withdrawals_to_pay() -> "QuerySet[WalletWithdrawal]":
    """Approved and in no payout file yet, oldest first: ``iban``, ``holder``, ``amount`` and ``id`` as the end-to-end
    reference. Those of frozen wallets wait."""
    approved = WalletWithdrawal.objects.filter(status=WalletWithdrawal.Status.APPROVED)
    return approved.filter(wallet__status=Wallet.Status.ACTIVE).order_by("id")
