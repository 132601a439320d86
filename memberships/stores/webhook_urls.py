"""Below ``/webhooks/``."""

from django.urls import path

from memberships.stores.webhook_views import AppStoreWebhookView, GooglePlayWebhookView

urlpatterns = [
    path("app-store/", AppStoreWebhookView.as_view(), name="app-store-webhook"),
    path("google-play/", GooglePlayWebhookView.as_view(), name="google-play-webhook"),
]
