"""Below ``/webhooks/``."""

from django.urls import path

from payments.webhooks.views import GatewayWebhookView

urlpatterns = [path("<str:account_id>", GatewayWebhookView.as_view(), name="gateway-webhook")]
