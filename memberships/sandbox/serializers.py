"""What the sandbox clock is told and what it shows."""

from datetime import datetime
from typing import Any

from dateutil.relativedelta import relativedelta
from django.utils.translation import gettext_lazy as _
from rest_framework import serializers

from memberships.models import ClockAdvance
from memberships.sandbox.journeys import MOST_DAYS, Clock
from memberships.subscriptions.serializers import MomentField
from paycore.fields import StrictCharField, StrictIntegerField, StrictSerializer


class SpanSerializer(StrictSerializer):
    """Calendar months and years are counted as on a calendar in UTC."""

    hours = StrictIntegerField(min_value=0, max_value=MOST_DAYS * 24, required=False)
    days = StrictIntegerField(min_value=0, max_value=MOST_DAYS, required=False)
    weeks = StrictIntegerField(min_value=0, max_value=MOST_DAYS // 7, required=False)
    months = StrictIntegerField(min_value=0, max_value=26, required=False)
    years = StrictIntegerField(min_value=0, max_value=2, required=False)


class ClockAdvanceSerializer(StrictSerializer):
    by = SpanSerializer(required=False, help_text=_("How far."))
    to = MomentField(required=False, help_text=_("Or until when."))
    user = StrictCharField(max_length=40, required=False, help_text=_("Whose clock; for the platform's server only."))

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if ("by" in attrs) == ("to" in attrs):
            raise serializers.ValidationError({"by": _("Say either how far or until when.")})
        return attrs


class ClockAdvanceOfUserSerializer(ClockAdvanceSerializer):
    """As servers send it."""

    user = StrictCharField(max_length=40, help_text=_("Whose clock."))


class ClockQuerySerializer(StrictSerializer):
    user = StrictCharField(max_length=40, required=False)


class JourneySerializer(serializers.Serializer[Any]):
    id = serializers.CharField()
    object = serializers.ChoiceField(choices=["clock_advance"])
    status = serializers.ChoiceField(choices=ClockAdvance.Status.choices)
    started_from = serializers.DateTimeField(help_text=_("The user's time when it began."))
    target = serializers.DateTimeField()
    reached = serializers.DateTimeField(help_text=_("Where the user's clock stood at the last stop."))
    stops = serializers.IntegerField(help_text=_("How often the clock was moved on the way."))
    error = serializers.CharField(allow_null=True)


class ClockSerializer(serializers.Serializer[Any]):
    object = serializers.ChoiceField(choices=["sandbox_clock"])
    user = serializers.CharField()
    now = serializers.DateTimeField(help_text=_("The user's own time."))
    ahead_seconds = serializers.IntegerField(help_text=_("How far that is ahead of everybody else's."))
    advance = JourneySerializer(allow_null=True, help_text=_("The last journey, which may be running."))


def target_of(form: dict[str, Any], *, now: datetime) -> datetime:
    named: datetime | None = form.get("to")
    moved: datetime = now + relativedelta(**form.get("by", {}))
    return named or moved


def present_clock(clock: Clock) -> dict[str, Any]:
    return {
        "object": "sandbox_clock",
        "user": clock.user_id,
        "now": clock.now,
        "ahead_seconds": round(clock.ahead.total_seconds()),
        "advance": present_journey(clock.journey) if clock.journey else None,
    }


def present_journey(journey: ClockAdvance) -> dict[str, Any]:
    return {
        "id": journey.id,
        "object": "clock_advance",
        "status": str(journey.status),
        "started_from": journey.started_from,
        "target": journey.target_at,
        "reached": journey.reached_at,
        "stops": journey.steps,
        "error": journey.error or None,
    }
