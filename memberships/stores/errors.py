"""What the stores' part of the API refuses."""

from django.utils.translation import gettext_lazy as _

from paycore.errors import Conflict, PaycoreError


class StoreMessageRefused(PaycoreError):
    """Forged, for another app, from another environment, or malformed. Nothing was stored."""

    code, http_status = "store_message_refused", 400
    title = _("The store's message was not accepted.")


class PurchaseNotGenuine(PaycoreError):
    """What the app handed in is not a purchase that the store vouches for."""

    code, http_status = "store_purchase_not_genuine", 422
    title = _("The store does not vouch for this purchase.")


class PurchaseBelongsToAnother(Conflict):
    code = "store_purchase_belongs_to_another"
    title = _("This purchase belongs to another account. Its owner can hand it over.")


class StoreUnreachable(PaycoreError):
    """Nothing happened; the store's own notices bring the purchase as well."""

    code, http_status = "store_unreachable", 503
    title = _("The store cannot be asked just now. Try again in a moment.")


class TransferRefused(Conflict):
    code = "store_transfer_refused"
    title = _("The code is wrong, used or too old.")
