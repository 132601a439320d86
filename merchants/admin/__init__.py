"""The consoles' pages about merchants: staff at ``/ops/``, a merchant's people at ``/merchant/``."""

from merchants.admin import (
    business_pages,
    document_pages,
    key_pages,
    member_pages,
    review_pages,
    webhook_log_pages,
    webhook_ops_pages,
    webhook_pages,
)
from merchants.console import may_enter_console
from paycore.sites import admit_merchants_by

__all__ = [
    "business_pages",
    "document_pages",
    "key_pages",
    "member_pages",
    "review_pages",
    "webhook_log_pages",
    "webhook_ops_pages",
    "webhook_pages",
]

admit_merchants_by(may_enter_console)
