"""Which of our store accounts a message is for, and whether its environment is believed here."""

import uuid

from django.conf import settings

from memberships.models import StoreAccount, StoreCustomer

Environment = StoreAccount.Environment


def believed_accounts(store: str, bundle_id: str) -> list[StoreAccount]:
    """Enabled ones of this app. What a store's sandbox sells costs nothing: it gives something in sandbox mode only."""
    believed = [Environment.PRODUCTION, *([Environment.SANDBOX] if settings.PAYCORE_SANDBOX_MODE else [])]
    rows = StoreAccount.objects.filter(
        store=store, bundle_id=bundle_id, is_enabled=True, environment__in=[str(one) for one in believed]
    )
    return list(rows.order_by("environment"))


def account_token_of(user_id: str) -> uuid.UUID:
    """The name that the app gives the stores for this user; always the same one."""
    customer, _made = StoreCustomer.objects.get_or_create(user_id=user_id)
    return customer.token


def user_of_token(token: str | None) -> str | None:
    """Whose account token came with a purchase; None when there was none, or one that is not of ours."""
    try:
        known = uuid.UUID(token) if token else None
    except ValueError:
        return None
    found = StoreCustomer.objects.filter(token=known).values_list("user_id", flat=True).first() if known else None
    return str(found) if found else None
