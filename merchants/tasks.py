"""The clock of merchants. Each task looks for due rows, may run twice at once, and may be lost."""

from celery import shared_task
from django.conf import settings

from merchants.webhooks.bells import WEBHOOKS
from merchants.webhooks.delivery import deliver_due
from merchants.webhooks.feed import drop_old_events
from paycore import bell


@shared_task
def deliver_webhooks() -> int:
    bell.heard(WEBHOOKS)
    return deliver_due()


@shared_task
def drop_old_webhook_events() -> int:
    return drop_old_events(keep_days=settings.PAYCORE_WEBHOOKS_KEEP_DAYS)
