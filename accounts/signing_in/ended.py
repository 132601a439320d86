"""Sessions whose time is over, and the rows of devices (with their addresses) that belonged to them."""

from datetime import timedelta

from allauth.usersessions.models import UserSession
from django.contrib.sessions.models import Session
from django.db.models import Exists, OuterRef
from django.db.models.functions import Now

_NOT_YOUNGER_THAN = timedelta(days=1)
"""A device's row may be written a moment before its session."""


def forget_ended_sessions(*, limit: int = 10_000) -> int:
    """At most ``limit`` of each; how many."""
    ended = Session.objects.filter(expire_date__lt=Now()).order_by("expire_date")
    sessions, _by_model = Session.objects.filter(pk__in=list(ended.values_list("pk", flat=True)[:limit])).delete()
    living = Session.objects.filter(pk=OuterRef("session_key"))
    left = UserSession.objects.filter(~Exists(living), last_seen_at__lt=Now() - _NOT_YOUNGER_THAN)
    devices, _by_model = UserSession.objects.filter(pk__in=list(left.values_list("pk", flat=True)[:limit])).delete()
    return int(sessions) + int(devices)
