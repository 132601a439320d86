"""The codes of the accounts (domain.md, "The books"). ``post.sql`` derives kind and shards from the prefix."""

SUSPENSE = "suspense"
REVENUE_FEES = "revenue:fees"
REVENUE_MEMBERSHIP = "revenue:membership"
MEMBERSHIP_DEFERRED = "membership:deferred"
EXPENSE_GATEWAY_FEES = "expense:gateway_fees"
EXPENSE_PROMOTIONS = "expense:promotions"
EXPENSE_DISPUTES = "expense:disputes"


def gateway(gateway_account_id: str) -> str:
    """What a provider owes us."""
    return f"gateway:{gateway_account_id}"


def merchant_pending(merchant_id: str) -> str:
    """What we owe a merchant once it has matured."""
    return f"merchant:{merchant_id}:pending"
