"""Why a code gives nothing. What is not there, over, used up or another's looks the same to a stranger."""

from django.utils.translation import gettext_lazy as _

from paycore.errors import Conflict, PaycoreError, PermissionRefused


class PromotionCodeNotValid(PaycoreError):
    code, http_status = "promotion_code_not_valid", 422
    title = _("This code cannot be used.")


class PromotionNotApplicable(PaycoreError):
    """``reason``: amount, currency, plan, price, interval, first_purchase, kind."""

    code, http_status = "promotion_not_applicable", 422
    title = _("This code is not for this purchase.")


class PromotionAlreadyUsed(Conflict):
    code = "promotion_already_used"
    title = _("You have used this promotion already.")


class PromotionNotCombinable(Conflict):
    code = "promotion_not_combinable"
    title = _("These codes cannot be used together.")


class PromotionNeedsCustomer(PaycoreError):
    code, http_status = "promotion_needs_customer", 422
    title = _("This code is limited per person: say who your customer is.")


class OrderWouldBeFree(PaycoreError):
    code, http_status = "order_would_be_free", 422
    title = _("Nothing would be left to pay. An order must cost something.")


class PromotionCodesNotAllowed(Conflict):
    """The seller's program sets this order's price, the seller wants no codes, one came with the order, or somebody
    tried to pay it: a failed attempt may still take its money."""

    code = "promotion_codes_not_allowed"
    title = _("No promotion code can be added to this order, or taken off it.")


class PromotionIsYourOwn(PermissionRefused):
    code = "promotion_is_your_own"
    title = _("You wrote this promotion, and it may cost a lot: another person must activate it.")


class PromotionNotDraft(Conflict):
    code = "promotion_not_draft"
    title = _("Only a draft can be changed.")


class PromotionTermsInvalid(PaycoreError):
    code, http_status = "promotion_terms_invalid", 422
    title = _("A promotion cannot have these terms.")


class PromotionCodeTaken(Conflict):
    code = "promotion_code_taken"
    title = _("This code is in use already.")


class PromotionHasEnded(Conflict):
    code = "promotion_has_ended"
    title = _("The promotion has ended.")
