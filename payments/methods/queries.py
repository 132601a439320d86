"""Reading saved methods: what the core needs to know of them, and who may see them."""

from django.db.models import Q, QuerySet

from paycore.errors import NotFound
from payments.gateways.contract import SavedToken
from payments.methods.models import GatewayCustomer, Mandate, PaymentMethod


def token_of(method_id: str) -> SavedToken | None:
    """What the gateway wants to hear; None when the method was removed meanwhile, also while the provider is still to
    forget it."""
    row = PaymentMethod.objects.filter(id=method_id, status=PaymentMethod.Status.ACTIVE).first()
    if row is None or row.token is None:
        return None
    return SavedToken(token=row.token, customer_reference=row.customer_reference)


def customer_reference_of(user_id: str, gateway_account_id: str) -> str:
    """Who the user is at the gateway account; empty when it does not know them yet."""
    known = GatewayCustomer.objects.filter(user_id=user_id, gateway_account_id=gateway_account_id)
    return known.values_list("reference", flat=True).first() or ""


def active_mandate(method: PaymentMethod, *, merchant_id: str) -> Mandate | None:
    """Under which ``merchant_id`` may charge this method unasked."""
    return method.mandates.filter(merchant_id=merchant_id, status=Mandate.Status.ACTIVE).order_by("-id").first()


def methods_of(*, user_id: str | None = None, merchant_id: str | None = None) -> QuerySet[PaymentMethod]:
    """A user's own that are not removed; or those that users allowed a merchant to charge. One that turned out to be
    an older row's card is still shown, to say which."""
    if user_id is not None:
        return PaymentMethod.objects.filter(~Q(status="removed") | Q(merged_into__isnull=False), user_id=user_id)
    if merchant_id is not None:
        allowed = Mandate.objects.filter(merchant_id=merchant_id, status=Mandate.Status.ACTIVE)
        return PaymentMethod.objects.filter(status="active", id__in=allowed.values("payment_method_id"))
    return PaymentMethod.objects.none()


def get_method(method_id: str, *, user_id: str | None = None, merchant_id: str | None = None) -> PaymentMethod:
    """NotFound also for another's."""
    method = methods_of(user_id=user_id, merchant_id=merchant_id).filter(id=method_id).first()
    if method is None:
        raise NotFound
    return method


def ready_methods(user_id: str) -> list[PaymentMethod]:
    """What a user can pay with in one tap, the default first, then what was used last."""
    rows = PaymentMethod.objects.filter(user_id=user_id, status=PaymentMethod.Status.ACTIVE)
    return list(rows.order_by("-is_default", "-last_used_at", "-id")[:50])
