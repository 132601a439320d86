"""Below ``/api/v1/``."""

from django.urls import path

from merchants.onboarding.views import (
    ApplicationListView,
    ApplicationSubmitView,
    ApplicationView,
    DocumentListView,
    DocumentView,
    InvitationAcceptView,
)
from merchants.views import MerchantMeView

urlpatterns = [
    path("merchant-applications", ApplicationListView.as_view(), name="merchant-applications"),
    path("merchant-applications/<str:merchant_id>", ApplicationView.as_view(), name="merchant-application"),
    path(
        "merchant-applications/<str:merchant_id>/submit",
        ApplicationSubmitView.as_view(),
        name="merchant-application-submit",
    ),
    path(
        "merchant-applications/<str:merchant_id>/documents",
        DocumentListView.as_view(),
        name="merchant-application-documents",
    ),
    path(
        "merchant-applications/<str:merchant_id>/documents/<str:document_id>",
        DocumentView.as_view(),
        name="merchant-application-document",
    ),
    path("merchant-invitations/accept", InvitationAcceptView.as_view(), name="merchant-invitation-accept"),
    path("merchant/me", MerchantMeView.as_view(), name="merchant-me"),
]
