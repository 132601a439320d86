"""Wallets with money in them, for tests."""

from django.db import transaction

from paycore.identifiers import new_id
from paycore.money import Money
from payments.ledger.services import Leg
from payments.routing.models import GatewayAccount
from payments.wallet import books
from payments.wallet.models import Wallet
from payments.wallet.moving import Deed, Kind, lock_wallet_of, move


def wallet_account() -> GatewayAccount:
    """The gateway account through which wallets pay; its provider is registered when Django starts."""
    return GatewayAccount.objects.create(
        name="Wallet", gateway="wallet", base_url="inprocess://wallet", credentials={}, methods=["wallet"]
    )


def fill(user_id: str, amount: Money) -> Wallet:
    """Put money into the user's wallet, as a top-up would, at the bank's expense."""
    with transaction.atomic():
        wallet = lock_wallet_of(user_id, currency=amount.currency)
        deed = Deed(Kind.TOP_UP, new_id("wtu"), amount)
        move(wallet, deed, legs=[Leg("bank:tests", books.spendable(user_id), amount)], change=amount)
    return wallet
