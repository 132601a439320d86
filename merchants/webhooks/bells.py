"""What merchants ring for, besides the outbox."""

from paycore.bell import Bell

WEBHOOKS = Bell("webhooks", "merchants.tasks.deliver_webhooks")
