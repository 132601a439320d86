"""The ledger's accounts of one wallet (domain.md, "The books"): none of them is ever below zero."""


def spendable(user_id: str) -> str:
    """What the user may spend."""
    return f"wallet:{user_id}"


def held(user_id: str) -> str:
    """Reserved by merchants that have yet to take it."""
    return f"wallet:{user_id}:held"


def withdrawing(user_id: str) -> str:
    """On its way to the user's bank."""
    return f"wallet:{user_id}:withdrawing"
