"""Refusals about bank lines and payouts."""

from django.utils.translation import gettext_lazy as _

from paycore.errors import Conflict, PaycoreError, PermissionRefused


class NotABankAccount(PaycoreError):
    code, http_status = "not_a_bank_account", 422
    title = _("This gateway account is not a bank account.")


class BankFileTooLarge(PaycoreError):
    code, http_status = "bank_file_too_large", 413
    title = _("The file is larger than a bank statement may be.")


class EntryIsNotOpen(Conflict):
    code = "bank_line_is_not_open"
    title = _("There is nothing to decide about this bank line now.")


class RemedyDoesNotFitEntry(Conflict):
    code = "remedy_does_not_fit_entry"
    title = _("This does not fit this bank line.")


class PaymentCannotTakeMoney(PaycoreError):
    code, http_status = "payment_cannot_take_money", 422
    title = _("No such payment by bank transfer to this account waits for money in this currency.")


class DecisionIsYourOwn(PermissionRefused):
    code = "decision_is_your_own"
    title = _("You proposed this yourself: another person must decide.")


class DecisionChanged(Conflict):
    code = "decision_changed"
    title = _("The proposal is no longer the one you looked at. Look again before you decide.")


class NothingToPayOut(Conflict):
    code = "nothing_to_pay_out"
    title = _("No payout of this account waits for a file.")


class CurrencyHasNoPayoutFile(PaycoreError):
    code, http_status = "currency_has_no_payout_file", 422
    title = _("Payout files can be made for euros only.")


class PayoutFileChanged(Conflict):
    code = "payout_file_changed"
    title = _("The payout file is no longer the one you looked at. Look again before you release it.")


class PayoutFileIsYourOwn(PermissionRefused):
    code = "payout_file_is_your_own"
    title = _("You made this file, or entered an account in it: another person must release it.")


class InvalidIban(PaycoreError):
    code, http_status = "invalid_iban", 422
    title = _("This is not a valid IBAN.")
