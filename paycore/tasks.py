"""The kernel's clock. Each task looks for due rows, may run twice at once, and may be lost."""

from celery import shared_task

from paycore import bell, idempotency, outbox
from paycore.notifications import budget
from paycore.notifications.services import purge as purge_messages
from paycore.notifications.services import send_due

DRAIN_LIMIT = 500


@shared_task
def drain_outbox() -> int:
    bell.heard(bell.OUTBOX)
    outbox.sweep()
    return outbox.drain(limit=DRAIN_LIMIT)


@shared_task
def send_notifications() -> int:
    return send_due(limit=50)


@shared_task
def housekeeping() -> int:
    return idempotency.purge() + outbox.purge() + budget.purge() + purge_messages()
