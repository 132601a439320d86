"""`/api/v1/orders` and `/api/v1/refunds`: a user's own, or a merchant's through its API key."""

from typing import Any

from django.http import HttpResponse
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from merchants.permissions import IsMerchantServer
from paycore.api import IdempotentView, stored
from paycore.idempotency import StoredResponse
from paycore.money import Money
from paycore.pagination import page_of, page_response
from payments.orders import examples
from payments.orders.callers import actor_of, viewer_of
from payments.orders.presentation import present_order, present_refund
from payments.orders.queries import get_order, get_payment, get_refund, orders_of, refunds_of
from payments.orders.refunds import RefundOrder, request_refund
from payments.orders.serializers import (
    OrderDetailsSerializer,
    OrderSerializer,
    RefundRequestSerializer,
    RefundSerializer,
    draft_order,
)
from payments.orders.services import cancel_order, create_order


class OrderListView(IdempotentView):
    route = "POST /orders"

    def get_permissions(self) -> list[Any]:
        return [IsMerchantServer()] if self.request.method == "POST" else list(super().get_permissions())

    @extend_schema(
        operation_id="orders_list",
        tags=["Orders"],
        summary="List orders, newest first",
        parameters=[*examples.PAGE, examples.STATUS_FILTER, examples.NUMBER_FILTER],
        responses=page_of(OrderSerializer),
    )
    def get(self, request: Request) -> Response:
        orders = orders_of(viewer_of(request))
        if status := request.query_params.get("status"):
            orders = orders.filter(status=status)
        if number := request.query_params.get("merchant_order_number"):
            orders = orders.filter(merchant_order_number=number)
        return page_response(request, orders, view=self, present=present_order)

    @extend_schema(
        operation_id="orders_create",
        tags=["Orders"],
        summary="Create an order (merchant's server)",
        request=OrderDetailsSerializer,
        responses={201: OrderSerializer},
        examples=[examples.ORDER_REQUEST, examples.ORDER],
    )
    def post(self, request: Request) -> HttpResponse:
        merchant_id = viewer_of(request).id
        details = OrderDetailsSerializer.check(request.data)

        def work() -> StoredResponse:
            return stored(201, present_order(create_order(draft_order(details, merchant_id=merchant_id))))

        return self.run(request, caller=merchant_id, work=work)


class OrderView(APIView):
    @extend_schema(
        operation_id="orders_show",
        tags=["Orders"],
        summary="Show an order",
        responses=OrderSerializer,
        examples=[examples.ORDER],
    )
    def get(self, request: Request, order_id: str) -> Response:
        return Response(present_order(get_order(viewer_of(request), order_id)))


class OrderCancelView(APIView):
    """Safe to repeat: a second cancel answers ``order_not_open`` and changes nothing."""

    @extend_schema(
        operation_id="orders_cancel",
        tags=["Orders"],
        summary="Cancel an open order",
        request=None,
        responses=OrderSerializer,
    )
    def post(self, request: Request, order_id: str) -> Response:
        order = get_order(viewer_of(request), order_id)
        return Response(present_order(cancel_order(order.id)))


class RefundListView(IdempotentView):
    route = "POST /refunds"

    @extend_schema(
        operation_id="refunds_list",
        tags=["Refunds"],
        summary="List refunds, newest first",
        parameters=[*examples.PAGE, examples.PAYMENT_FILTER],
        responses=page_of(RefundSerializer),
    )
    def get(self, request: Request) -> Response:
        refunds = refunds_of(viewer_of(request))
        if payment := request.query_params.get("payment"):
            refunds = refunds.filter(payment_id=payment)
        return page_response(request, refunds, view=self, present=present_refund)

    @extend_schema(
        operation_id="refunds_create",
        tags=["Refunds"],
        summary="Ask for a refund; it may wait for review before it is sent",
        request=RefundRequestSerializer,
        responses={201: RefundSerializer},
        examples=[examples.REFUND_REQUEST, examples.REFUND],
    )
    def post(self, request: Request) -> HttpResponse:
        viewer, actor = viewer_of(request), actor_of(request)
        data = RefundRequestSerializer.check(request.data)

        def work() -> StoredResponse:
            payment = get_payment(viewer, data["payment"])
            minor = data.get("amount_minor")
            refund = request_refund(
                RefundOrder(
                    payment_id=payment.id,
                    amount=Money(minor, payment.currency) if minor else None,
                    reason=data["reason"],
                    requested_by=actor,
                )
            )
            return stored(201, present_refund(refund))

        return self.run(request, caller=viewer.id, work=work)


class RefundView(APIView):
    @extend_schema(
        operation_id="refunds_show",
        tags=["Refunds"],
        summary="Show a refund",
        responses=RefundSerializer,
        examples=[examples.REFUND],
    )
    def get(self, request: Request, refund_id: str) -> Response:
        return Response(present_refund(get_refund(viewer_of(request), refund_id)))
