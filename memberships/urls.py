"""`/api/v1/…` of memberships."""

from django.urls import URLPattern, path

from memberships.catalogue.views import PlanListView, PlanView
from memberships.entitlements.views import EntitlementListView, UsageReturnView, UsageView, UserEntitlementListView
from memberships.gifts.views import GiftCodeView, GiftListView, GiftView, RedeemView
from memberships.invoices.views import (
    CreditNoteListView,
    CreditNotePdfView,
    CreditNoteView,
    InvoiceListView,
    InvoicePdfView,
    InvoiceView,
)
from memberships.price_changes.views import PriceChangeAgreeView, PriceChangeRefuseView, PriceChangeView
from memberships.sandbox.views import SandboxClockAdvanceView, SandboxClockView
from memberships.seats.views import SeatAcceptView, SeatConfirmView, SeatLeaveView, SeatListView, SeatView
from memberships.stores.views import (
    AccountTokenView,
    AppStoreTransactionView,
    PlayPurchaseView,
    StorePurchaseListView,
    StorePurchaseView,
    TransferOfferView,
    TransferTakeView,
)
from memberships.subscriptions import change_views as changes
from memberships.subscriptions import views as subscriptions

urlpatterns: list[URLPattern] = [
    path("membership", subscriptions.MembershipView.as_view(), name="membership"),
    path("subscriptions", subscriptions.SubscriptionListView.as_view(), name="subscriptions"),
    path("subscriptions/preview", subscriptions.SubscriptionPreviewView.as_view(), name="subscriptions-preview"),
    path("subscriptions/<str:subscription_id>", subscriptions.SubscriptionView.as_view(), name="subscription"),
    path(
        "subscriptions/<str:subscription_id>/periods",
        subscriptions.SubscriptionPeriodListView.as_view(),
        name="subscription-periods",
    ),
    path(
        "subscriptions/<str:subscription_id>/history",
        subscriptions.SubscriptionHistoryView.as_view(),
        name="subscription-history",
    ),
    path(
        "subscriptions/<str:subscription_id>/preview",
        changes.SubscriptionChangePreviewView.as_view(),
        name="subscription-preview",
    ),
    path(
        "subscriptions/<str:subscription_id>/change",
        changes.SubscriptionChangeView.as_view(),
        name="subscription-change",
    ),
    path(
        "subscriptions/<str:subscription_id>/keep",
        changes.SubscriptionPlannedChangeView.as_view(),
        name="subscription-keep",
    ),
    path(
        "subscriptions/<str:subscription_id>/cancel",
        changes.SubscriptionCancelView.as_view(),
        name="subscription-cancel",
    ),
    path(
        "subscriptions/<str:subscription_id>/resume",
        changes.SubscriptionResumeView.as_view(),
        name="subscription-resume",
    ),
    path(
        "subscriptions/<str:subscription_id>/pause", changes.SubscriptionPauseView.as_view(), name="subscription-pause"
    ),
    path(
        "subscriptions/<str:subscription_id>/unpause",
        changes.SubscriptionUnpauseView.as_view(),
        name="subscription-unpause",
    ),
    path(
        "subscriptions/<str:subscription_id>/reactivate",
        changes.SubscriptionReactivateView.as_view(),
        name="subscription-reactivate",
    ),
    path(
        "subscriptions/<str:subscription_id>/collection",
        changes.SubscriptionCollectionView.as_view(),
        name="subscription-collection",
    ),
    path("invoices", InvoiceListView.as_view(), name="invoices"),
    path("invoices/<str:invoice_id>", InvoiceView.as_view(), name="invoice"),
    path("invoices/<str:invoice_id>/pdf", InvoicePdfView.as_view(), name="invoice-pdf"),
    path("credit-notes", CreditNoteListView.as_view(), name="credit-notes"),
    path("credit-notes/<str:note_id>", CreditNoteView.as_view(), name="credit-note"),
    path("credit-notes/<str:note_id>/pdf", CreditNotePdfView.as_view(), name="credit-note-pdf"),
    path("entitlements", EntitlementListView.as_view(), name="entitlements"),
    path("users/<str:user_id>/entitlements", UserEntitlementListView.as_view(), name="user-entitlements"),
    path("sandbox/clock", SandboxClockView.as_view(), name="sandbox-clock"),
    path("sandbox/clock/advance", SandboxClockAdvanceView.as_view(), name="sandbox-clock-advance"),
    path("usage", UsageView.as_view(), name="usage"),
    path("usage/returns", UsageReturnView.as_view(), name="usage-returns"),
    path("gifts", GiftListView.as_view(), name="gifts"),
    path("gifts/<str:gift_id>", GiftView.as_view(), name="gift"),
    path("gifts/<str:gift_id>/code", GiftCodeView.as_view(), name="gift-code"),
    path("redeem", RedeemView.as_view(), name="redeem"),
    path("subscriptions/<str:subscription_id>/seats", SeatListView.as_view(), name="seats"),
    path("subscriptions/<str:subscription_id>/seats/<str:seat_id>", SeatView.as_view(), name="seat"),
    path(
        "subscriptions/<str:subscription_id>/seats/<str:seat_id>/confirm",
        SeatConfirmView.as_view(),
        name="seat-confirm",
    ),
    path("seats/accept", SeatAcceptView.as_view(), name="seat-accept"),
    path("seats/leave", SeatLeaveView.as_view(), name="seat-leave"),
    path("subscriptions/<str:subscription_id>/price-change", PriceChangeView.as_view(), name="price-change-of"),
    path(
        "subscriptions/<str:subscription_id>/price-change/agree",
        PriceChangeAgreeView.as_view(),
        name="price-change-agree",
    ),
    path(
        "subscriptions/<str:subscription_id>/price-change/refuse",
        PriceChangeRefuseView.as_view(),
        name="price-change-refuse",
    ),
    path("stores/account-token", AccountTokenView.as_view(), name="store-account-token"),
    path("stores/app-store/transactions", AppStoreTransactionView.as_view(), name="app-store-transactions"),
    path("stores/google-play/purchases", PlayPurchaseView.as_view(), name="google-play-purchases"),
    path("stores/purchases", StorePurchaseListView.as_view(), name="store-purchases"),
    path("stores/purchases/<str:store_purchase_id>", StorePurchaseView.as_view(), name="store-purchase"),
    path("stores/transfers", TransferOfferView.as_view(), name="store-transfers"),
    path("stores/transfers/take", TransferTakeView.as_view(), name="store-transfer-take"),
    path("plans", PlanListView.as_view(), name="plans"),
    path("plans/<str:plan>", PlanView.as_view(), name="plan"),
]
