"""Refusals of the wallet. None of them has an effect."""

from django.utils.translation import gettext_lazy as _

from paycore.errors import Conflict, PaycoreError, PermissionRefused


class WalletIsFrozen(Conflict):
    code = "wallet_frozen"
    title = _("The wallet is frozen. Ask the support.")


class BalanceTooLow(Conflict):
    code = "balance_too_low"
    title = _("There is not enough money in the wallet.")


class CurrencyNotOffered(PaycoreError):
    code, http_status = "wallet_currency_not_offered", 422
    title = _("The wallet does not do this in the currency.")


class AmountOutsideLimits(PaycoreError):
    code, http_status = "wallet_amount_outside_limits", 422
    title = _("The amount is below the smallest or above the largest that the wallet takes.")


class BalanceWouldExceedLimit(Conflict):
    code = "wallet_balance_limit"
    title = _("The wallet would hold more than it may.")


class TooManyWithdrawals(PaycoreError):
    code, http_status = "too_many_withdrawals", 429
    title = _("There were too many withdrawals today. Try again later.")


class IdentityNotKnownEnough(PermissionRefused):
    code = "identity_required"
    title = _("Verify who you are first.")


class IbanInvalid(PaycoreError):
    code, http_status = "iban_invalid", 422
    title = _("This is not a valid IBAN.")


class TopUpNotRefundable(Conflict):
    code = "top_up_not_refundable"
    title = _("The money of a top-up is in the payer's wallet: it leaves by a withdrawal, not by a refund.")


class WithdrawalIsYourOwn(PermissionRefused):
    code = "withdrawal_is_your_own"
    title = _("This is your own withdrawal: another person must decide.")


class SecondPersonNeeded(PermissionRefused):
    code = "second_person_needed"
    title = _("You agreed already: another person must agree as well.")


class ReasonMissing(PaycoreError):
    code, http_status = "reason_missing", 422
    title = _("Say why.")


class PayerUnknown(PaycoreError):
    """To the adapter: nobody has this wallet."""

    code, http_status = "payer_unknown", 422
    title = _("It is not known whose wallet should pay.")


class TermsDiffer(Conflict):
    """To the adapter: our number was used for something else."""

    code = "terms_differ"
    title = _("The number was used before, with other terms.")


class NotPossibleNow(Conflict):
    """To the adapter: taken, let go or given back already."""

    code = "not_possible_now"
    title = _("The payment is in a state that does not allow this.")
