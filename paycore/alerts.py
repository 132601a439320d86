"""What needs a person at once: logged as an error, and mailed to ``PAYCORE_ALERTS_TO``, once an hour per occasion."""

from datetime import datetime

import structlog
from django.conf import settings

from paycore.notifications.addresses import Recipient
from paycore.notifications.services import notify

log = structlog.get_logger(__name__)


def raise_alert(*, what: str, object_id: str, now: datetime) -> None:
    """``what`` is a short English name (``outbox message quarantined``); ids only, no people."""
    log.error("alert", what=what, object_id=object_id)
    for address in settings.PAYCORE_ALERTS_TO:
        notify(
            template="alert",
            to=Recipient(email=address),
            context={"what": what, "object_id": object_id, "address": f"{settings.PAYCORE_BASE_URL}/ops/"},
            key=f"alert:{what}:{object_id}:{now:%Y-%m-%dT%H}:{address}"[:160],
        )
