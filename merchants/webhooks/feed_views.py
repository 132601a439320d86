"""`/api/v1/merchant/events` and `/webhook-deliveries`: what happened, and what became of telling it."""

from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import extend_schema
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from merchants.permissions import IsMerchantServer
from merchants.webhooks import examples, feed, services
from merchants.webhooks.endpoint_views import TAG, caller_of
from merchants.webhooks.presentation import (
    present_delivery,
    present_delivery_with_log,
    present_event,
    present_feed,
)
from merchants.webhooks.serializers import (
    MAX_POSITION,
    EventFeedSerializer,
    FeedChangeSerializer,
    WebhookDeliveryLogSerializer,
    WebhookDeliverySerializer,
    WebhookEventSerializer,
)
from paycore.fields import StrictIntegerField
from paycore.pagination import page_of, page_response

EVENTS_TAG = ["Events"]
_POSITION = StrictIntegerField(min_value=0, max_value=MAX_POSITION)


class EventListView(APIView):
    """Oldest first and complete: an event is never put in before one that was already read."""

    permission_classes = [IsMerchantServer]
    keyset_ordering = ("position",)

    @extend_schema(
        operation_id="events_list",
        tags=EVENTS_TAG,
        summary="Read the event feed, oldest first",
        parameters=[*examples.PAGE, examples.AFTER, examples.TYPE_FILTER, examples.OBJECT_FILTER],
        responses=page_of(WebhookEventSerializer),
    )
    def get(self, request: Request) -> Response:
        merchant_id, asked = caller_of(request).merchant_id, request.query_params
        rows = services.events_of(merchant_id)
        if "after" in asked:
            after = _position(asked["after"])
            feed.check_position(merchant_id, after=after)
            rows = rows.filter(position__gt=after)
        if type_ := asked.get("type"):
            rows = rows.filter(type=type_)
        if object_id := asked.get("object_id"):
            rows = rows.filter(object_id=object_id)
        return page_response(request, rows, view=self, present=present_event)


class EventView(APIView):
    permission_classes = [IsMerchantServer]

    @extend_schema(
        operation_id="events_show",
        tags=EVENTS_TAG,
        summary="Show an event",
        responses=WebhookEventSerializer,
        examples=[examples.EVENT],
    )
    def get(self, request: Request, event_id: str) -> Response:
        return Response(present_event(feed.get_event(caller_of(request).merchant_id, event_id)))


class EventFeedView(APIView):
    """Whether events are recorded, and which are kept."""

    permission_classes = [IsMerchantServer]

    @extend_schema(
        operation_id="event_feed_show", tags=EVENTS_TAG, summary="Show the feed's facts", responses=EventFeedSerializer
    )
    def get(self, request: Request) -> Response:
        return Response(present_feed(feed.feed_of(caller_of(request).merchant_id)))

    @extend_schema(
        operation_id="event_feed_switch",
        tags=EVENTS_TAG,
        summary="Begin or stop to record events; a webhook endpoint begins it by itself",
        request=FeedChangeSerializer,
        responses=EventFeedSerializer,
    )
    def put(self, request: Request) -> Response:
        merchant_id = caller_of(request).merchant_id
        switch = feed.open_feed if FeedChangeSerializer.check(request.data)["is_recording"] else feed.close_feed
        return Response(present_feed(switch(merchant_id)))


class DeliveryListView(APIView):
    permission_classes = [IsMerchantServer]

    @extend_schema(
        operation_id="webhook_deliveries_list",
        tags=TAG,
        summary="List deliveries, newest first",
        parameters=[*examples.PAGE, examples.ENDPOINT_FILTER, examples.STATUS_FILTER, examples.EVENT_FILTER],
        responses=page_of(WebhookDeliverySerializer),
    )
    def get(self, request: Request) -> Response:
        asked = request.query_params
        rows = services.deliveries_of(caller_of(request).merchant_id)
        for name, column in (("endpoint", "endpoint_id"), ("status", "status"), ("event", "event_id")):
            if value := asked.get(name):
                rows = rows.filter(**{column: value})
        return page_response(request, rows, view=self, present=present_delivery)


class DeliveryView(APIView):
    permission_classes = [IsMerchantServer]

    @extend_schema(
        operation_id="webhook_deliveries_show",
        tags=TAG,
        summary="Show a delivery with its attempts",
        responses=WebhookDeliveryLogSerializer,
        examples=[examples.DELIVERY_LOG],
    )
    def get(self, request: Request, delivery_id: str) -> Response:
        return Response(present_delivery_with_log(services.get_delivery(caller_of(request).merchant_id, delivery_id)))


class DeliveryResendView(APIView):
    """Safe to repeat: one that waits is only brought forward."""

    permission_classes = [IsMerchantServer]

    @extend_schema(
        operation_id="webhook_deliveries_resend",
        tags=TAG,
        summary="Send a delivery again, now",
        request=None,
        responses=WebhookDeliverySerializer,
    )
    def post(self, request: Request, delivery_id: str) -> Response:
        delivery = services.resend(merchant_id=caller_of(request).merchant_id, delivery_id=delivery_id)
        return Response(present_delivery(delivery))


def _position(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 19):
        raise ValidationError({"after": [_("A position is a whole number.")]}, code="not_a_position")
    return int(_POSITION.run_validation(int(text)))
