"""Store rows, for tests that only need some."""

from datetime import timedelta

from accounts.models import User
from memberships.models import (
    StoreAccount,
    StoreNotice,
    StorePurchase,
    StoreToken,
    StoreTransaction,
    StoreTransfer,
)
from paycore.clock import database_now


def make_store_purchase(user: User) -> StorePurchase:
    """With one of every row that hangs on a purchase."""
    now = database_now()
    account = StoreAccount.objects.create(
        store="google_play", name="App", bundle_id="com.example.app", push_audience="x", push_email="x@example.com"
    )
    purchase = StorePurchase.objects.create(account=account, reference="token", user=user, state="linked")
    StoreTransaction.objects.create(
        purchase=purchase,
        transaction="GPA.1",
        product_id="premium",
        starts_at=now,
        ends_at=now + timedelta(days=30),
        signed_at=now,
    )
    StoreToken.objects.create(account=account, token="token", purchase=purchase)
    StoreNotice.objects.create(account=account, event_id="1", kind="test", signed_at=now)
    StoreTransfer.objects.create(purchase=purchase, code_hash=b"x" * 32, from_user=user, expires_at=now)
    return purchase
