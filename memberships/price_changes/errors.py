"""Refusals of price changes."""

from django.utils.translation import gettext_lazy as _

from paycore.errors import Conflict, NotFound, PaycoreError, PermissionRefused


class PricesDoNotFit(PaycoreError):
    code, http_status = "prices_do_not_fit", 400
    title = _("A price change leads to another price of the same plan, currency and interval.")


class NoticeTooShort(PaycoreError):
    code, http_status = "notice_too_short", 400
    title = _("The notice is 30 to 365 days.")


class PriceStillOnSale(Conflict):
    code = "price_still_on_sale"
    title = _("The old price is still on sale: put the new one on sale first, or archive the old one.")


class PriceChangeOverlaps(Conflict):
    code = "price_change_overlaps"
    title = _("One of these prices takes part in another price change that is not over.")


class PriceChangeNotDraft(Conflict):
    code = "price_change_not_draft"
    title = _("This price change was announced or withdrawn already.")


class PriceChangeIsYourOwn(PermissionRefused):
    code = "price_change_is_your_own"
    title = _("You wrote this price change: another person must announce it.")


class NoPriceChange(NotFound):
    code = "price_change_not_found"
    title = _("No price change waits for an answer about this membership.")


class PriceOnlyFalls(Conflict):
    code = "price_only_falls"
    title = _("The price falls: there is nothing to refuse.")


class PriceChangeOver(Conflict):
    code = "price_change_over"
    title = _("The time to agree is over; the old price stays.")
