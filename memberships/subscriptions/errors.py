"""Refusals about subscriptions. Each changes nothing."""

from django.utils.translation import gettext_lazy as _

from paycore.errors import Conflict, NotFound, PaycoreError


class AlreadySubscribed(Conflict):
    """``subscription``, ``sold_by`` and ``manage_url`` say which one and where to change it."""

    code = "already_subscribed"
    title = _("There is a membership already. Change it where it was bought.")


class SubscribedMeanwhile(Conflict):
    code = "subscribed_meanwhile"
    title = _("Another request to subscribe was faster. Look at it before you try again.")


class PriceNotForSale(NotFound):
    code = "price_not_found"
    title = _("There is no such price on sale.")


class NoPriceInCurrency(PaycoreError):
    """``currencies`` are those it is sold in."""

    code, http_status = "no_price_in_currency", 400
    title = _("This plan is not sold in this currency at this interval.")


class QuantityNotOffered(PaycoreError):
    """``seats_included`` and ``seats_most`` are the bounds."""

    code, http_status = "quantity_not_offered", 400
    title = _("The plan is not sold with so many seats.")


class StartNotPossible(PaycoreError):
    code, http_status = "start_not_possible", 400
    title = _("A membership starts now or within a year.")


class PauseNotPossible(PaycoreError):
    code, http_status = "pause_not_possible", 400
    title = _("A pause ends in the future and within the longest pause.")


class SoldElsewhere(Conflict):
    """``sold_by`` and ``manage_url`` say where."""

    code = "sold_elsewhere"
    title = _("This membership was bought in a store and is changed there.")


class SubscriptionEnded(Conflict):
    code = "subscription_ended"
    title = _("The membership has ended.")


class SubscriptionNotEnded(Conflict):
    code = "subscription_not_ended"
    title = _("The membership has not ended.")


class SubscriptionNotStarted(Conflict):
    code = "subscription_incomplete"
    title = _("The membership waits for its first payment.")


class SubscriptionPaused(Conflict):
    code = "subscription_paused"
    title = _("The membership is paused.")


class SubscriptionNotPaused(Conflict):
    code = "subscription_not_paused"
    title = _("The membership is not paused.")


class SubscriptionOverdue(Conflict):
    code = "subscription_overdue"
    title = _("The last period is not paid yet. Pay it first.")


class RenewalUnderWay(Conflict):
    code = "renewal_under_way"
    title = _("The next period is being paid for at this moment. Try again shortly.")


class AlreadyCanceled(Conflict):
    code = "already_canceled"
    title = _("The membership ends with its period already.")


class NotCanceled(Conflict):
    code = "not_canceled"
    title = _("The membership was not canceled.")


class NothingChanges(Conflict):
    code = "nothing_changes"
    title = _("The membership has this price and these seats already.")


class NoPlannedChange(Conflict):
    code = "no_planned_change"
    title = _("No change is planned.")


class QuoteExpired(Conflict):
    code = "quote_expired"
    title = _("The preview is too old. Ask for a new one.")
