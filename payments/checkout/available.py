"""`/api/v1/payment-methods/available`: what an order can be paid with, for apps that draw the choice themselves."""

from typing import Any

from django.templatetags.static import static
from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from paycore.fields import StrictCharField, StrictSerializer
from payments.checkout.habits import in_order_of_habit
from payments.checkout.offers import eligible_methods, is_saveable, saved_methods_for
from payments.checkout.presentation import look_of
from payments.methods.serializers import PayerCountryField
from payments.orders.callers import viewer_of
from payments.orders.queries import get_order
from payments.orders.saved_methods import WALLET
from payments.wallet.queries import may_pay


class AvailableQuerySerializer(StrictSerializer):
    order = StrictCharField(max_length=40)
    country = PayerCountryField(max_length=2, required=False, default="")


class AvailableMethodSerializer(serializers.Serializer[dict[str, Any]]):
    method = serializers.CharField(help_text=_("Send it as `method` when paying."))
    name = serializers.CharField(help_text=_("In the caller's language."))
    icon = serializers.CharField(help_text=_("Address of a small picture, on this server."))
    can_be_saved = serializers.BooleanField()


class AvailableMethodsSerializer(serializers.Serializer[dict[str, Any]]):
    """What can take the payment, in the order in which to offer it."""

    methods = AvailableMethodSerializer(many=True)
    saved = serializers.ListField(
        child=serializers.CharField(), help_text=_("Ids of the caller's saved methods that can pay it, default first.")
    )


class AvailableMethodsView(APIView):
    may_be_none = True

    @extend_schema(
        operation_id="payment_methods_available",
        tags=["Payment methods"],
        summary="List what an order can be paid with, best first",
        parameters=[
            OpenApiParameter("order", str, required=True, description="An order's id."),
            OpenApiParameter("country", str, description="Where the payer is: ISO 3166-1, two letters."),
        ],
        responses=AvailableMethodsSerializer,
    )
    def get(self, request: Request) -> Response:
        query = AvailableQuerySerializer.check(request.query_params.dict())
        viewer = viewer_of(request)
        order, country, user_id = get_order(viewer, query["order"]), query["country"], viewer.user_id or ""
        methods = [
            method
            for method in eligible_methods(order, country=country)
            if method != WALLET or may_pay(viewer.user_id, order_id=order.id, amount=order.amount)
        ]
        ordered = in_order_of_habit(methods, country=country, user_id=user_id)
        saved = saved_methods_for(order, payer_id=user_id, country=country)
        return Response({"methods": [_shown(method) for method in ordered], "saved": [row.id for row in saved]})


def _shown(method: str) -> dict[str, Any]:
    look = look_of(method)
    return {
        "method": method,
        "name": str(look.name),
        "icon": static(look.icon),
        "can_be_saved": is_saveable(method),
    }
