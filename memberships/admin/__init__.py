"""The pages of staff about memberships."""

from memberships.admin import (
    action_pages,
    catalogue_pages,
    dunning_pages,
    gift_pages,
    invoice_pages,
    price_change_pages,
    price_pages,
    promised_refund_pages,
    report_pages,
    revenue_pages,
    seat_pages,
    second_persons,
    store_pages,
    subscription_pages,
    tax_pages,
    usage_pages,
)

__all__ = [
    "action_pages",
    "catalogue_pages",
    "dunning_pages",
    "gift_pages",
    "invoice_pages",
    "price_change_pages",
    "price_pages",
    "promised_refund_pages",
    "report_pages",
    "revenue_pages",
    "seat_pages",
    "second_persons",
    "store_pages",
    "subscription_pages",
    "tax_pages",
    "usage_pages",
]
