"""Addresses. Apps are named as strings only: the project knows where things hang, not what they are."""

from django.urls import include, path
from django.views.i18n import set_language

from paycore.health import healthz, metrics_page, readyz
from paycore.notifications.views import SandboxMessagesView
from paycore.openapi import RedocView, SchemaView, SwaggerView
from paycore.sites import merchant_site, ops_site

handler400 = "paycore.problems.handle_400"
handler403 = "paycore.problems.handle_403"
handler404 = "paycore.problems.handle_404"
handler500 = "paycore.problems.handle_500"

urlpatterns = [
    path("api/v1/openapi.json", SchemaView.as_view(), name="openapi"),
    path("api/v1/docs", SwaggerView.as_view(), name="swagger"),
    path("api/v1/redoc", RedocView.as_view(), name="redoc"),
    path("api/v1/sandbox/messages", SandboxMessagesView.as_view()),
    path("api/v1/", include("accounts.urls")),
    path("api/v1/auth/", include("allauth.headless.urls")),
    path("api/v1/", include("merchants.urls")),
    path("api/v1/", include("payments.urls")),
    path("api/v1/merchant/", include("merchants.webhooks.urls")),
    path("api/v1/", include("memberships.urls")),
    path("membership/price-change/", include("memberships.price_changes.page_urls")),
    path("receipts/", include("memberships.invoices.page_urls")),
    path("webhooks/", include("memberships.stores.webhook_urls")),
    path("webhooks/", include("payments.webhooks.urls")),
    path("ops/api/", include("payments.ops_urls")),
    path("ops/", ops_site.urls),
    path("merchant/", include("merchants.page_urls")),
    path("merchant/", merchant_site.urls),
    path("language", set_language, name="set_language"),
    path("healthz", healthz),
    path("readyz", readyz),
    path("metrics", metrics_page),
    path("", include("payments.checkout.urls")),
]
