"""Refusals that several rooms of payments share."""

from django.utils.translation import gettext_lazy as _

from paycore.errors import Conflict, PaycoreError, PermissionRefused


class OrderNotOpen(Conflict):
    code = "order_not_open"
    title = _("The order is not open for payment.")


class OrderHasExpired(Conflict):
    code = "order_expired"
    title = _("The order can no longer be paid: its time is over.")


class OrderChanged(Conflict):
    code = "order_changed"
    title = _("The order's total has changed. Look at it again, then pay.")


class OrderNumberTaken(Conflict):
    code = "order_number_taken"
    title = _("The merchant already has an order with this number.")


class PaymentInProgress(Conflict):
    code = "payment_in_progress"
    title = _("Another attempt to pay this order is still under way.")


class MerchantTakesNoPayments(Conflict):
    code = "merchant_takes_no_payments"
    title = _("This merchant takes no payments at the moment.")


class PaymentNotAuthorized(Conflict):
    code = "payment_not_authorized"
    title = _("The payment is not authorized, so nothing can be captured or voided.")


class CaptureExceedsAuthorization(Conflict):
    code = "capture_exceeds_authorization"
    title = _("More would be captured than was authorized.")


class CaptureInProgress(Conflict):
    code = "capture_in_progress"
    title = _("Another capture of this payment is still under way.")


class RefundExceedsPayment(Conflict):
    code = "refund_exceeds_payment"
    title = _("More would be refunded than was paid and not yet refunded.")


class PaymentNotRefundable(Conflict):
    code = "payment_not_refundable"
    title = _("The payment took no money that could be refunded.")


class RefusedByGateway(Conflict):
    code = "refused_by_gateway"
    title = _("The gateway refused to do this.")


class RefundIsYourOwn(PermissionRefused):
    code = "refund_is_your_own"
    title = _("You asked for this refund yourself: another person must decide.")


class NotSurplus(Conflict):
    code = "payment_not_surplus"
    title = _("There is no surplus money to decide about.")


class MethodNotAvailable(PaycoreError):
    code, http_status = "method_not_available", 422
    title = _("No gateway account can take this payment method for this amount and currency.")


class NotSupportedByGateway(PaycoreError):
    code, http_status = "not_supported_by_gateway", 422
    title = _("The gateway of this payment cannot do this.")
