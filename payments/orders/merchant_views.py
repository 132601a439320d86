"""`/api/v1/merchant/…`: the addresses of a merchant's server. The same code and the same Idempotency-Keys as
`/api/v1/orders` and its neighbours, which answer a merchant's key as well; a key used at both is one effect."""

from typing import Any

from drf_spectacular.utils import extend_schema, extend_schema_view

from merchants.permissions import IsMerchantServer
from payments.orders.payment_views import PaymentCaptureView, PaymentListView, PaymentView, PaymentVoidView
from payments.orders.views import OrderCancelView, OrderListView, OrderView, RefundListView, RefundView

_TAGS = ["Merchant's server"]


def described(operation_id: str, summary: str) -> Any:
    """The same operation under a name of its own."""
    return extend_schema(operation_id=operation_id, summary=summary, tags=_TAGS)


class ForServers:
    """People's tokens get 403 here."""

    def get_permissions(self) -> list[Any]:
        return [IsMerchantServer()]


@extend_schema_view(
    get=described("merchant_orders_list", "List the merchant's orders, newest first"),
    post=described("merchant_orders_create", "Create an order"),
)
class MerchantOrderListView(ForServers, OrderListView):
    pass


@extend_schema_view(get=described("merchant_orders_show", "Show an order of the merchant"))
class MerchantOrderView(ForServers, OrderView):
    pass


@extend_schema_view(post=described("merchant_orders_cancel", "Cancel an open order of the merchant"))
class MerchantOrderCancelView(ForServers, OrderCancelView):
    pass


@extend_schema_view(
    get=described("merchant_payments_list", "List the merchant's payments, newest first"),
    post=described("merchant_payments_create", "Collect an order of the merchant"),
)
class MerchantPaymentListView(ForServers, PaymentListView):
    pass


@extend_schema_view(get=described("merchant_payments_show", "Show a payment, or wait for it to change"))
class MerchantPaymentView(ForServers, PaymentView):
    pass


@extend_schema_view(post=described("merchant_payments_capture", "Take held money, all or in parts"))
class MerchantPaymentCaptureView(ForServers, PaymentCaptureView):
    pass


@extend_schema_view(post=described("merchant_payments_void", "Let held money go"))
class MerchantPaymentVoidView(ForServers, PaymentVoidView):
    pass


@extend_schema_view(
    get=described("merchant_refunds_list", "List the merchant's refunds, newest first"),
    post=described("merchant_refunds_create", "Ask for a refund; it may wait for review before it is sent"),
)
class MerchantRefundListView(ForServers, RefundListView):
    pass


@extend_schema_view(get=described("merchant_refunds_show", "Show a refund of the merchant"))
class MerchantRefundView(ForServers, RefundView):
    pass
