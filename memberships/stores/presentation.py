"""A store purchase as the API shows it."""

from typing import Any

from rest_framework import serializers

from memberships.models import Store, StorePurchase, StoreTransaction
from memberships.subscriptions.rails import manage_url


class StorePurchaseSerializer(serializers.Serializer[StorePurchase]):
    """Shape of a store purchase in answers."""

    id = serializers.CharField()
    object = serializers.ChoiceField(choices=["store_purchase"])
    sold_by = serializers.ChoiceField(choices=Store.choices)
    status = serializers.ChoiceField(choices=StorePurchase.State.choices)
    standing = serializers.ChoiceField(choices=StorePurchase.Standing.choices, allow_null=True)
    product = serializers.CharField()
    subscription = serializers.CharField(allow_null=True)
    auto_renews = serializers.BooleanField(allow_null=True)
    grace_until = serializers.DateTimeField(allow_null=True)
    manage_url = serializers.CharField()
    last_told_at = serializers.DateTimeField(allow_null=True)
    created_at = serializers.DateTimeField()


def present_purchase(purchase: StorePurchase) -> dict[str, Any]:
    """With its account at hand."""
    account = purchase.account
    return {
        "id": purchase.id,
        "object": "store_purchase",
        "sold_by": str(account.store),
        "status": str(purchase.state),
        "standing": str(purchase.standing) or None,
        "product": purchase.product_id,
        "subscription": purchase.subscription_id,
        "auto_renews": purchase.auto_renews,
        "grace_until": purchase.grace_until,
        "manage_url": manage_url(account.store, product=purchase.product_id, package=account.bundle_id),
        "last_told_at": purchase.signed_at,
        "created_at": purchase.created_at,
    }


def store_purchases_for_export(user_id: str) -> list[dict[str, Any]]:
    """With their transactions; Google's tokens stay here, for they are good for more than reading."""
    rows = StorePurchase.objects.filter(user_id=user_id).select_related("account").order_by("id")
    return [
        present_purchase(row) | {"transactions": [_transaction(one) for one in row.transactions.all()]}
        for row in rows.prefetch_related("transactions")
    ]


def _transaction(row: StoreTransaction) -> dict[str, Any]:
    return {
        "transaction": row.transaction,
        "product": row.product_id,
        "starts_at": row.starts_at,
        "ends_at": row.ends_at,
        "revoked_at": row.revoked_at,
    }
