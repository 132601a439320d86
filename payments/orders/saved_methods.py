"""What a request to pay says of saved methods: which one it charges, and what it wants kept."""

from datetime import datetime
from typing import Any

from django.utils.translation import gettext_lazy as _
from rest_framework.exceptions import ValidationError

from paycore.clock import database_now
from paycore.errors import NotFound
from payments.methods.errors import PaymentMethodNotReady
from payments.methods.mandates import Device, consent_as_row
from payments.methods.models import Mandate, PaymentMethod
from payments.methods.queries import get_method
from payments.methods.saving import refuse_too_many
from payments.methods.services import require_mandate
from payments.orders.asking import CONSENT
from payments.orders.models import Order, Payment
from payments.orders.queries import Viewer

WALLET = "wallet"


def refuse_what_is_not_yours(form: dict[str, Any], *, viewer: Viewer) -> None:
    """A person is there and confirms; only the person can agree that something is kept."""
    if form["off_session"] and not viewer.merchant_id:
        raise ValidationError({"off_session": [_("Only merchants' servers charge unasked.")]})
    if form.get("method") == WALLET and not viewer.user_id:
        raise ValidationError({"method": [_("Only the signed-in payer can spend their wallet.")]})
    if form["save_method"] and not viewer.user_id:
        raise ValidationError({"save_method": [_("Only the signed-in payer can agree to it.")]})


def method_to_charge(form: dict[str, Any], *, order: Order, viewer: Viewer) -> PaymentMethod | None:
    """The saved method that is named, if any. NotFound when it is another's, PaymentMethodNotReady when it cannot be
    charged, MandateRequired when its owner does not, or no longer, allow the merchant to take so much."""
    if "payment_method" not in form:
        return None
    if viewer.merchant_id:
        method = _allowed_once(form["payment_method"], merchant_id=viewer.merchant_id)
        if order.user_id not in (None, method.user_id):
            raise NotFound
        # Off session or not: that the payer is there, a server can only claim.
        require_mandate(method, merchant_id=viewer.merchant_id, amount=order.amount)
    else:
        method = get_method(form["payment_method"], user_id=viewer.user_id)
    if method.status != PaymentMethod.Status.ACTIVE:
        raise PaymentMethodNotReady
    if form.get("method", method.method) != method.method:
        raise ValidationError({"method": [_("The saved method is of another kind.")]})
    return method


def consent_to_keep(form: dict[str, Any], *, order: Order, device: Device) -> dict[str, Any] | None:
    """With ``save_method``: the mandate's terms as they are kept with the payment. TooManyPaymentMethods."""
    if not form["save_method"]:
        return None
    if order.user_id is None:
        raise ValidationError({"save_method": [_("Only the signed-in payer can agree to it.")]})
    refuse_too_many(order.user_id)
    return consent_as_row(form["mandate"], device=device, now=database_now()) if "mandate" in form else None


def method_of(payment: Payment) -> PaymentMethod | None:
    """What a payment can be repeated with: the saved method it charged, or the one it saved when its payer agreed to be
    charged again. A mandate has the moment of the consent that the payment carries."""
    consent = payment.request_options.get(CONSENT)
    if payment.payment_method is not None or not payment.saves_method or not consent:
        return payment.payment_method
    agreed = Mandate.objects.select_related("payment_method").filter(
        payment_method__user_id=payment.order.user_id,
        payment_method__gateway_account_id=payment.gateway_account_id,
        merchant_id=payment.order.merchant_id,
        status=Mandate.Status.ACTIVE,
        accepted_at=datetime.fromisoformat(consent["accepted_at"]),
    )
    mandate = agreed.first()
    return mandate.payment_method if mandate else None


def _allowed_once(method_id: str, *, merchant_id: str) -> PaymentMethod:
    """One whose owner gave this merchant a mandate at some time: any other one does not exist for it."""
    method = PaymentMethod.objects.filter(id=method_id, mandates__merchant_id=merchant_id).first()
    if method is None:
        raise NotFound
    return method
