"""Below ``/api/v1/merchant/``."""

from django.urls import path

from merchants.webhooks import endpoint_views, feed_views

urlpatterns = [
    path("webhook-endpoints", endpoint_views.EndpointListView.as_view(), name="webhook-endpoints"),
    path("webhook-endpoints/<str:endpoint_id>", endpoint_views.EndpointView.as_view(), name="webhook-endpoint"),
    path(
        "webhook-endpoints/<str:endpoint_id>/enable",
        endpoint_views.EndpointEnableView.as_view(),
        name="webhook-endpoint-enable",
    ),
    path(
        "webhook-endpoints/<str:endpoint_id>/disable",
        endpoint_views.EndpointDisableView.as_view(),
        name="webhook-endpoint-disable",
    ),
    path(
        "webhook-endpoints/<str:endpoint_id>/rotate-secret",
        endpoint_views.EndpointRotationView.as_view(),
        name="webhook-endpoint-rotate-secret",
    ),
    path(
        "webhook-endpoints/<str:endpoint_id>/test",
        endpoint_views.EndpointTestView.as_view(),
        name="webhook-endpoint-test",
    ),
    path(
        "webhook-endpoints/<str:endpoint_id>/replay",
        endpoint_views.EndpointReplayView.as_view(),
        name="webhook-endpoint-replay",
    ),
    path("events", feed_views.EventListView.as_view(), name="merchant-events"),
    path("events/<str:event_id>", feed_views.EventView.as_view(), name="merchant-event"),
    path("event-feed", feed_views.EventFeedView.as_view(), name="event-feed"),
    path("webhook-deliveries", feed_views.DeliveryListView.as_view(), name="webhook-deliveries"),
    path("webhook-deliveries/<str:delivery_id>", feed_views.DeliveryView.as_view(), name="webhook-delivery"),
    path(
        "webhook-deliveries/<str:delivery_id>/resend",
        feed_views.DeliveryResendView.as_view(),
        name="webhook-delivery-resend",
    ),
]
