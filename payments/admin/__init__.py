"""The consoles' pages about money: staff at ``/ops/``, a merchant's people at ``/merchant/``.

Nothing here edits money. Pages show; what may be done is an action, and an action is one call of a service.
"""

from payments import dashboard
from payments.admin import (
    callback_pages,
    dispute_pages,
    gateway_account_pages,
    ledger_pages,
    merchant_pages,
    method_pages,
    order_pages,
    own_dispute_pages,
    payment_pages,
    promotion_pages,
    refund_pages,
    routing_pages,
    wallet_pages,
)

__all__ = [
    "callback_pages",
    "dashboard",
    "dispute_pages",
    "gateway_account_pages",
    "ledger_pages",
    "merchant_pages",
    "method_pages",
    "order_pages",
    "own_dispute_pages",
    "payment_pages",
    "promotion_pages",
    "refund_pages",
    "routing_pages",
    "wallet_pages",
]
