"""Below ``/api/v1/``."""

from django.urls import path

from payments.checkout.api import CheckoutSessionListView, CheckoutSessionView
from payments.orders.payment_views import PaymentCaptureView, PaymentListView, PaymentView, PaymentVoidView
from payments.orders.views import OrderCancelView, OrderListView, OrderView, RefundListView, RefundView

urlpatterns = [
    path("orders", OrderListView.as_view(), name="orders"),
    path("orders/<str:order_id>", OrderView.as_view(), name="order"),
    path("orders/<str:order_id>/cancel", OrderCancelView.as_view(), name="order-cancel"),
    path("checkout-sessions", CheckoutSessionListView.as_view(), name="checkout-sessions"),
    path("checkout-sessions/<str:session_id>", CheckoutSessionView.as_view(), name="checkout-session"),
    path("payments", PaymentListView.as_view(), name="payments"),
    path("payments/<str:payment_id>", PaymentView.as_view(), name="payment"),
    path("payments/<str:payment_id>/capture", PaymentCaptureView.as_view(), name="payment-capture"),
    path("payments/<str:payment_id>/void", PaymentVoidView.as_view(), name="payment-void"),
    path("refunds", RefundListView.as_view(), name="refunds"),
    path("refunds/<str:refund_id>", RefundView.as_view(), name="refund"),
]
