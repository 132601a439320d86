"""`/api/v1/orders/{id}/promotion-code`: a code on an open order, for merchants' servers and the order's own user."""

from django.http import HttpResponse
from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import OpenApiExample, extend_schema, extend_schema_view
from rest_framework.request import Request
from rest_framework.response import Response

from paycore.api import IdempotentView, stored
from paycore.fields import StrictCharField, StrictSerializer
from paycore.idempotency import StoredResponse
from paycore.throttling import CallerThrottle
from payments.orders.callers import viewer_of
from payments.orders.discounts import Customer, add_code, remove_code
from payments.orders.merchant_views import ForServers, described
from payments.orders.models import Order
from payments.orders.presentation import present_order
from payments.orders.queries import Viewer, get_order
from payments.orders.serializers import CustomerSerializer, OrderSerializer
from payments.promotions.codes import MOST_TYPED
from payments.promotions.errors import PromotionCodesNotAllowed
from payments.promotions.views import GuessThrottle


class OrderCodeSerializer(StrictSerializer):
    code = StrictCharField(max_length=MOST_TYPED, help_text=_("As the payer typed it."))
    customer = CustomerSerializer(required=False, help_text=_("From merchants' servers: who uses it."))


def _open_to(viewer: Viewer, order_id: str) -> Order:
    """An order's own user may where the merchant opened a page that takes codes. NotFound, PromotionCodesNotAllowed."""
    order = get_order(viewer, order_id)
    if viewer.user_id and not order.checkout_sessions.filter(allows_codes=True).exists():
        raise PromotionCodesNotAllowed
    return order


class OrderPromotionCodeView(IdempotentView):
    throttle_classes = [CallerThrottle, GuessThrottle]
    throttle_scope = "promotion_check"

    @extend_schema(
        operation_id="orders_add_promotion_code",
        tags=["Orders"],
        summary="Lower an open order by a promotion code",
        description=(
            "Before the first attempt to pay: `payment_in_progress` while one is under way. An order takes one code, "
            "when a merchant's server, or a payment link, created it without one. Memberships and top-ups take none "
            "here (`promotion_codes_not_allowed`): give the code when you subscribe."
        ),
        request=OrderCodeSerializer,
        responses=OrderSerializer,
        examples=[OpenApiExample("As it was typed", request_only=True, value={"code": "welcome20"})],
    )
    def post(self, request: Request, order_id: str) -> HttpResponse:
        viewer = viewer_of(request)
        data = OrderCodeSerializer.check(request.data)
        self.route = f"POST /orders/{order_id[:40]}/promotion-code"
        customer = Customer(**data["customer"]) if "customer" in data else Customer()

        def work() -> StoredResponse:
            order = _open_to(viewer, order_id)
            return stored(200, present_order(add_code(order.id, data["code"], customer=customer)))

        return self.run(request, caller=viewer.id, work=work)

    @extend_schema(
        operation_id="orders_remove_promotion_code",
        tags=["Orders"],
        summary="Take the promotion code off an open order again",
        description="Safe to repeat. Only a code that was added after the order was created.",
        request=None,
        responses={200: OrderSerializer},
    )
    def delete(self, request: Request, order_id: str) -> Response:
        order = _open_to(viewer_of(request), order_id)
        return Response(present_order(remove_code(order.id)))


@extend_schema_view(
    post=described("merchant_orders_add_promotion_code", "Lower an open order of the merchant by a promotion code"),
    delete=described("merchant_orders_remove_promotion_code", "Take the code off an open order of the merchant again"),
)
class MerchantOrderPromotionCodeView(ForServers, OrderPromotionCodeView):
    pass
