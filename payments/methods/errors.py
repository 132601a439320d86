"""Refusals about saved methods and mandates."""

from django.utils.translation import gettext_lazy as _

from paycore.errors import Conflict


class MandateRequired(Conflict):
    code = "mandate_required"
    title = _("The payer has not agreed that this may be charged unasked.")


class TooManyPaymentMethods(Conflict):
    code = "too_many_payment_methods"
    title = _("No more payment methods can be saved. Remove one first.")


class PaymentMethodNotReady(Conflict):
    code = "payment_method_not_ready"
    title = _("This payment method is not saved yet, or no longer.")
