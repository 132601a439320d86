"""What the codes of a member's history, of their messages and of their rights are called on staff's pages."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise

HISTORY: "Mapping[str, StrOrPromise]" = {
    "canceled": _("Canceled"),
    "change_asked": _("Change asked for"),
    "change_dropped": _("Unpaid change dropped"),
    "change_planned": _("Change planned"),
    "change_undone": _("Planned change undone"),
    "changed": _("Plan changed"),
    "collection_changed": _("Way of paying changed"),
    "corrected": _("Corrected"),
    "credit_given": _("Credit given"),
    "credit_returned": _("Credit returned"),
    "credit_taken_back": _("Credit taken back"),
    "dispute_won": _("Dispute won"),
    "disputed": _("Disputed"),
    "ended": _("Ended"),
    "erased": _("Erased with the account"),
    "extended": _("Extended"),
    "gift_revoked": _("Gift taken back"),
    "lapsed": _("Never paid"),
    "past_due": _("Overdue"),
    "paused": _("Paused"),
    "payment_failed": _("Payment failed again"),
    "period_forgiven": _("Period forgiven"),
    "price_agreed": _("New price agreed to"),
    "price_refused": _("New price refused"),
    "recorded": _("Recorded"),
    "recovered": _("Recovered"),
    "redeemed": _("Code or gift redeemed"),
    "refund_asked": _("Refund asked for"),
    "refund_failed": _("Refund failed"),
    "refund_kept": _("Refund not given after all"),
    "refund_sent_again": _("Refund sent again"),
    "refunded": _("Refunded"),
    "renewed": _("Renewed"),
    "replaced": _("Replaced"),
    "resumed": _("Cancellation undone"),
    "seat_claimed": _("Seat claimed"),
    "seat_offered": _("Seat offered"),
    "seat_removed": _("Seat removed"),
    "seat_taken": _("Seat taken"),
    "started": _("Started"),
    "subscribed": _("Subscribed"),
    "suspended": _("Suspended"),
    "trial_started": _("Trial started"),
    "unpaused": _("Pause ended"),
}
NOTICES: "Mapping[str, StrOrPromise]" = {
    "membership_announce": _("Charge announced"),
    "membership_card_expiring": _("Card expires"),
    "membership_credit_note": _("Credit note"),
    "membership_credit_note_void": _("Void credit note"),
    "membership_ended": _("Membership ended"),
    "membership_grace_ending": _("Grace ends"),
    "membership_payment_due": _("Payment due"),
    "membership_payment_failed": _("Payment failed"),
    "membership_receipt": _("Receipt"),
    "membership_recovered": _("Payment recovered"),
    "membership_renews_soon": _("Renews soon"),
    "membership_suspended": _("Membership suspended"),
    "membership_trial_ending": _("Trial ends"),
}
RIGHTS: "Mapping[str, StrOrPromise]" = {
    "canceled": _("Canceled, but paid for"),
    "code": pgettext_lazy("membership", "Code"),
    "free": pgettext_lazy("membership", "Free"),
    "gift": _("Gift"),
    "grace": pgettext_lazy("membership", "Grace"),
    "grant": _("Grant"),
    "paid": _("Paid"),
    "purchase": _("Bought once"),
    "seat": _("Seat"),
    "staff": _("Given by staff"),
    "subscription": _("Subscription"),
    "trial": pgettext_lazy("membership", "Trial"),
}
DETAILS: "Mapping[str, StrOrPromise]" = {
    "attempt": _("attempt"),
    "code": pgettext_lazy("membership", "code"),
    "collected_by": _("collected by"),
    "credit_minor": _("credit (minor units)"),
    "deed": _("deed"),
    "dispute": _("dispute"),
    "grant": _("grant"),
    "invoice": _("invoice"),
    "number": pgettext_lazy("membership", "number"),
    "payment": _("payment"),
    "payment_method": _("payment method"),
    "period": _("period"),
    "price": _("price"),
    "product": _("product"),
    "reason": _("reason"),
    "redemption": _("redemption"),
    "refund": _("refund"),
    "seat": _("seat"),
    "seats": _("seats"),
    "store_purchase": _("store purchase"),
    "why": _("why"),
}


def word(words: "Mapping[str, StrOrPromise]", code: str) -> str:
    """A code that has none is readable as it is."""
    return str(words[code]) if code in words else code.replace("_", " ")


def named(details: Mapping[str, Any]) -> dict[str, Any]:
    """Details of the history under names that people read."""
    return {word(DETAILS, name): value for name, value in details.items()}
