"""What the API takes about webhooks, checked; and what it answers, described."""

from typing import Any

from django.utils.translation import gettext_lazy as _
from rest_framework import serializers

from merchants.webhooks.event_types import EVENT_TYPES
from merchants.webhooks.models import WebhookDelivery, WebhookEndpoint
from merchants.webhooks.services import EndpointDraft
from paycore.fields import StrictBooleanField, StrictCharField, StrictIntegerField, StrictSerializer

MAX_POSITION = 2**63 - 1
MAX_OVERLAP_HOURS = 168


ENDPOINT_STATUSES = ["enabled", "disabled", "disabled_by_failures"]


class EventTypesField(serializers.ListField):
    """Names of event types, each once. Empty: all of them, also those that come later."""

    child = serializers.ChoiceField(choices=sorted(EVENT_TYPES))

    def to_internal_value(self, data: Any) -> list[str]:
        if not isinstance(data, list) or not all(isinstance(item, str) for item in data):
            raise serializers.ValidationError(_("Write a list of event types."), code="not_a_list")
        return sorted(set(super().to_internal_value(data)))


class EndpointDraftSerializer(StrictSerializer):
    """A webhook endpoint to create."""

    url = StrictCharField(max_length=500, help_text=_("https, port 443 or 8443, on the public internet."))
    description = StrictCharField(max_length=200, required=False, default="", allow_blank=True)
    event_types = EventTypesField(required=False, max_length=100, help_text=_("Empty: all."))


class EndpointChangeSerializer(StrictSerializer):
    """What is not named stays as it is."""

    url = StrictCharField(max_length=500, required=False)
    description = StrictCharField(max_length=200, required=False, allow_blank=True)
    event_types = EventTypesField(required=False, max_length=100, help_text=_("Empty: all."))


def draft_endpoint(data: dict[str, Any]) -> EndpointDraft:
    return EndpointDraft(
        url=data["url"], description=data["description"], event_types=tuple(data.get("event_types", ()))
    )


def changed_draft(endpoint: WebhookEndpoint, data: dict[str, Any]) -> EndpointDraft:
    return EndpointDraft(
        url=data.get("url", endpoint.url),
        description=data.get("description", endpoint.description),
        event_types=tuple(data.get("event_types", endpoint.event_types)),
    )


class RotationSerializer(StrictSerializer):
    overlap_hours = StrictIntegerField(
        min_value=0,
        max_value=MAX_OVERLAP_HOURS,
        default=24,
        help_text=_("For so long the secret before signs as well. 0: it stops at once."),
    )


class ReplaySerializer(StrictSerializer):
    after = StrictIntegerField(
        min_value=0, max_value=MAX_POSITION, help_text=_("A position of the feed; 0 is its beginning.")
    )


class NothingSerializer(StrictSerializer):
    """An empty object."""


class FeedChangeSerializer(StrictSerializer):
    is_recording = StrictBooleanField()


class WebhookEndpointSerializer(serializers.Serializer[WebhookEndpoint]):
    """Shape of a webhook endpoint in answers."""

    id = serializers.CharField()
    object = serializers.ChoiceField(choices=["webhook_endpoint"])
    url = serializers.CharField()
    description = serializers.CharField(allow_blank=True)
    event_types = serializers.ListField(child=serializers.CharField(), help_text=_("Empty: all."))
    status = serializers.ChoiceField(choices=ENDPOINT_STATUSES)
    disabled_reason = serializers.CharField(allow_null=True)
    failing_since = serializers.DateTimeField(allow_null=True)
    secret_version = serializers.IntegerField()
    previous_secret_until = serializers.DateTimeField(allow_null=True)
    created_at = serializers.DateTimeField()


class WebhookEndpointSecretSerializer(WebhookEndpointSerializer):
    """With the signing secret: only when it was just made."""

    secret = serializers.CharField(
        allow_null=True, help_text=_("Keep it; it is not shown again. Null in a replay after a later rotation.")
    )


class WebhookEventSerializer(serializers.Serializer[dict[str, Any]]):
    """Shape of an event, in the feed and in the body of a webhook."""

    id = serializers.CharField(help_text=_("Also the `webhook-id`: the same in every copy."))
    object = serializers.ChoiceField(choices=["event"])
    type = serializers.CharField()
    timestamp = serializers.DateTimeField(help_text=_("When it happened."))
    merchant = serializers.CharField()
    position = serializers.IntegerField(help_text=_("In your feed, from 1 without a gap."))
    object_id = serializers.CharField()
    sequence = serializers.IntegerField(help_text=_("Among the events about this object: the order of things."))
    data = serializers.DictField(  # type: ignore[assignment]  # the name is Standard Webhooks'
        help_text=_("The order, payment or refund as the API shows it.")
    )


class WebhookAttemptSerializer(serializers.Serializer[dict[str, Any]]):
    """Shape of one attempt."""

    started_at = serializers.DateTimeField()
    duration_ms = serializers.IntegerField()
    status_code = serializers.IntegerField(allow_null=True)
    error = serializers.CharField(allow_null=True)
    response_excerpt = serializers.CharField(allow_blank=True)


class WebhookDeliverySerializer(serializers.Serializer[WebhookDelivery]):
    """Shape of a delivery in answers."""

    id = serializers.CharField()
    object = serializers.ChoiceField(choices=["webhook_delivery"])
    endpoint = serializers.CharField()
    event = serializers.CharField()
    event_type = serializers.CharField()
    status = serializers.ChoiceField(choices=WebhookDelivery.Status.choices)
    attempts = serializers.IntegerField(help_text=_("Since it was last asked for."))
    next_attempt_at = serializers.DateTimeField(allow_null=True)
    last_status_code = serializers.IntegerField(allow_null=True)
    last_error = serializers.CharField(allow_null=True)
    delivered_at = serializers.DateTimeField(allow_null=True)
    created_at = serializers.DateTimeField()


class WebhookDeliveryLogSerializer(WebhookDeliverySerializer):
    """With its attempts, the newest first."""

    log = WebhookAttemptSerializer(many=True)


class EventFeedSerializer(serializers.Serializer[dict[str, Any]]):
    """Shape of the feed's own facts."""

    object = serializers.ChoiceField(choices=["event_feed"])
    is_recording = serializers.BooleanField()
    oldest_position = serializers.IntegerField(help_text=_("The first that is still kept."))
    last_position = serializers.IntegerField()


class ReplayAnswerSerializer(serializers.Serializer[dict[str, Any]]):
    """Shape of a replay's answer."""

    replayed = serializers.IntegerField(help_text=_("How many are sent again; 1,000 means: ask once more."))
