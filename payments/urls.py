"""Below ``/api/v1/``."""

from django.urls import path

from payments.checkout.api import CheckoutSessionListView, CheckoutSessionView
from payments.checkout.available import AvailableMethodsView
from payments.checkout.merchant_api import MerchantCheckoutSessionListView, MerchantCheckoutSessionView
from payments.checkout.order_codes import MerchantOrderPromotionCodeView, OrderPromotionCodeView
from payments.checkout.top_ups import TopUpListView, TopUpView
from payments.methods.views import MandateView, PaymentMethodDefaultView, PaymentMethodListView, PaymentMethodView
from payments.orders.disputes.views import (
    DisputeAcceptView,
    DisputeDocumentListView,
    DisputeEvidenceView,
    DisputeListView,
    DisputeSubmitView,
    DisputeView,
)
from payments.orders.merchant_views import (
    MerchantOrderCancelView,
    MerchantOrderListView,
    MerchantOrderView,
    MerchantPaymentCaptureView,
    MerchantPaymentListView,
    MerchantPaymentView,
    MerchantPaymentVoidView,
    MerchantRefundListView,
    MerchantRefundView,
)
from payments.orders.payment_views import PaymentCaptureView, PaymentListView, PaymentView, PaymentVoidView
from payments.orders.views import OrderCancelView, OrderListView, OrderView, RefundListView, RefundView
from payments.promotions.views import (
    PromotionActivateView,
    PromotionBatchListView,
    PromotionBatchView,
    PromotionCheckView,
    PromotionCodeDisableView,
    PromotionCodeListView,
    PromotionEndView,
    PromotionListView,
    PromotionPauseView,
    PromotionUseListView,
    PromotionView,
)
from payments.wallet.views import WalletOperationListView, WalletView, WithdrawalListView, WithdrawalView

urlpatterns = [
    path("wallet", WalletView.as_view(), name="wallet"),
    path("wallet/operations", WalletOperationListView.as_view(), name="wallet-operations"),
    path("wallet/top-ups", TopUpListView.as_view(), name="wallet-top-ups"),
    path("wallet/top-ups/<str:top_up_id>", TopUpView.as_view(), name="wallet-top-up"),
    path("wallet/withdrawals", WithdrawalListView.as_view(), name="wallet-withdrawals"),
    path("wallet/withdrawals/<str:withdrawal_id>", WithdrawalView.as_view(), name="wallet-withdrawal"),
    path("orders", OrderListView.as_view(), name="orders"),
    path("orders/<str:order_id>", OrderView.as_view(), name="order"),
    path("orders/<str:order_id>/cancel", OrderCancelView.as_view(), name="order-cancel"),
    path("orders/<str:order_id>/promotion-code", OrderPromotionCodeView.as_view(), name="order-promotion-code"),
    path("checkout-sessions", CheckoutSessionListView.as_view(), name="checkout-sessions"),
    path("checkout-sessions/<str:session_id>", CheckoutSessionView.as_view(), name="checkout-session"),
    path("payment-methods", PaymentMethodListView.as_view(), name="payment-methods"),
    path("payment-methods/available", AvailableMethodsView.as_view(), name="payment-methods-available"),
    path("payment-methods/<str:method_id>", PaymentMethodView.as_view(), name="payment-method"),
    path("payment-methods/<str:method_id>/default", PaymentMethodDefaultView.as_view(), name="payment-method-default"),
    path("mandates/<str:mandate_id>", MandateView.as_view(), name="mandate"),
    path("payments", PaymentListView.as_view(), name="payments"),
    path("payments/<str:payment_id>", PaymentView.as_view(), name="payment"),
    path("payments/<str:payment_id>/capture", PaymentCaptureView.as_view(), name="payment-capture"),
    path("payments/<str:payment_id>/void", PaymentVoidView.as_view(), name="payment-void"),
    path("refunds", RefundListView.as_view(), name="refunds"),
    path("refunds/<str:refund_id>", RefundView.as_view(), name="refund"),
    path("promotions", PromotionListView.as_view(), name="promotions"),
    path("promotions/check", PromotionCheckView.as_view(), name="promotions-check"),
    path("promotions/<str:promotion_id>", PromotionView.as_view(), name="promotion"),
    path("promotions/<str:promotion_id>/activate", PromotionActivateView.as_view(), name="promotion-activate"),
    path("promotions/<str:promotion_id>/pause", PromotionPauseView.as_view(), name="promotion-pause"),
    path("promotions/<str:promotion_id>/end", PromotionEndView.as_view(), name="promotion-end"),
    path("promotions/<str:promotion_id>/uses", PromotionUseListView.as_view(), name="promotion-uses"),
    path("promotions/<str:promotion_id>/codes", PromotionCodeListView.as_view(), name="promotion-codes"),
    path(
        "promotions/<str:promotion_id>/codes/<str:promotion_code_id>/disable",
        PromotionCodeDisableView.as_view(),
        name="promotion-code-disable",
    ),
    path("promotions/<str:promotion_id>/code-batches", PromotionBatchListView.as_view(), name="promotion-batches"),
    path(
        "promotions/<str:promotion_id>/code-batches/<str:code_batch_id>",
        PromotionBatchView.as_view(),
        name="promotion-batch",
    ),
    path("merchant/orders", MerchantOrderListView.as_view(), name="merchant-orders"),
    path("merchant/orders/<str:order_id>", MerchantOrderView.as_view(), name="merchant-order"),
    path("merchant/orders/<str:order_id>/cancel", MerchantOrderCancelView.as_view(), name="merchant-order-cancel"),
    path(
        "merchant/orders/<str:order_id>/promotion-code",
        MerchantOrderPromotionCodeView.as_view(),
        name="merchant-order-promotion-code",
    ),
    path("merchant/checkout-sessions", MerchantCheckoutSessionListView.as_view(), name="merchant-checkout-sessions"),
    path(
        "merchant/checkout-sessions/<str:session_id>",
        MerchantCheckoutSessionView.as_view(),
        name="merchant-checkout-session",
    ),
    path("merchant/payments", MerchantPaymentListView.as_view(), name="merchant-payments"),
    path("merchant/payments/<str:payment_id>", MerchantPaymentView.as_view(), name="merchant-payment"),
    path(
        "merchant/payments/<str:payment_id>/capture",
        MerchantPaymentCaptureView.as_view(),
        name="merchant-payment-capture",
    ),
    path("merchant/payments/<str:payment_id>/void", MerchantPaymentVoidView.as_view(), name="merchant-payment-void"),
    path("merchant/disputes", DisputeListView.as_view(), name="merchant-disputes"),
    path("merchant/disputes/<str:dispute_id>", DisputeView.as_view(), name="merchant-dispute"),
    path(
        "merchant/disputes/<str:dispute_id>/evidence", DisputeEvidenceView.as_view(), name="merchant-dispute-evidence"
    ),
    path(
        "merchant/disputes/<str:dispute_id>/documents",
        DisputeDocumentListView.as_view(),
        name="merchant-dispute-documents",
    ),
    path("merchant/disputes/<str:dispute_id>/submit", DisputeSubmitView.as_view(), name="merchant-dispute-submit"),
    path("merchant/disputes/<str:dispute_id>/accept", DisputeAcceptView.as_view(), name="merchant-dispute-accept"),
    path("merchant/refunds", MerchantRefundListView.as_view(), name="merchant-refunds"),
    path("merchant/refunds/<str:refund_id>", MerchantRefundView.as_view(), name="merchant-refund"),
]
