"""Why a deed of staff is refused."""

from django.utils.translation import gettext_lazy as _

from paycore.errors import Conflict, PaycoreError


class ReasonIsMissing(PaycoreError):
    code, http_status = "member_action_reason_missing", 400
    title = _("Say why.")


class TermsNotValid(PaycoreError):
    code, http_status = "terms_not_valid", 400
    title = _("This cannot be done with what was entered.")


class NobodyChosen(PaycoreError):
    code, http_status = "nobody_chosen", 400
    title = _("No subscription was chosen, or too many at once.")


class DecisionIsYourOwn(Conflict):
    code = "member_action_is_your_own"
    title = _("Whoever asked for it cannot decide it. Another person must.")


class DecisionChanged(Conflict):
    code = "member_action_changed"
    title = _("This is not what you looked at, or it is decided already. Look again.")


class RiseNeedsPriceChange(Conflict):
    code = "rise_needs_price_change"
    title = _("The same plan would cost more: that needs a price change, with consent or notice.")
