"""Why a gift or a code is refused."""

from django.utils.translation import gettext_lazy as _

from paycore.errors import Conflict, NotFound, PaycoreError, PermissionRefused


class CodeNotValid(NotFound):
    """One answer for every code that gives nothing to this person, so that it teaches nothing about codes."""

    code = "code_not_valid"
    title = _("This code cannot be redeemed. Look for a typing error, or ask whoever gave it to you.")


class FreePlanIsNoGift(PaycoreError):
    code, http_status = "free_plan_is_no_gift", 400
    title = _("This plan is free for everybody.")


class DeliveryNotPossible(PaycoreError):
    code, http_status = "delivery_not_possible", 400
    title = _("A gift is delivered now or within a year.")


class GiftNotReady(Conflict):
    code = "gift_not_ready"
    title = _("This gift is not paid yet, or it was redeemed or given back.")


class BatchNotReady(Conflict):
    code = "code_batch_not_ready"
    title = _("These codes are still being made, or they are void.")


class BatchExported(Conflict):
    code = "code_batch_exported"
    title = _("These codes were exported already. Nobody can read them a second time.")


class BatchNotWaiting(Conflict):
    code = "code_batch_not_waiting"
    title = _("These codes do not wait for a second person.")


class BatchIsYourOwn(PermissionRefused):
    code = "code_batch_is_your_own"
    title = _("You asked for these codes, and they may cost a lot: another person must agree.")
