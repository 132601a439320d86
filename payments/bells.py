"""What payments rings for, besides the outbox."""

from paycore.bell import Bell

PAYMENTS = Bell("payments", "payments.tasks.sync_pending_payments")
REFUNDS = Bell("refunds", "payments.tasks.advance_refunds")
CAPTURES = Bell("captures", "payments.tasks.advance_captures")
