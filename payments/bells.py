"""What payments rings for, besides the outbox."""

from paycore.bell import Bell

PAYMENTS = Bell("payments", "payments.tasks.sync_pending_payments")
REFUNDS = Bell("refunds", "payments.tasks.advance_refunds")
CAPTURES = Bell("captures", "payments.tasks.advance_captures")
METHODS = Bell("methods", "payments.tasks.advance_methods")
HINTS = Bell("hints", "payments.tasks.reread_hints")
DISPUTES = Bell("disputes", "payments.tasks.advance_disputes")
ROUTING_TRIALS = Bell("routing-trials", "payments.tasks.advance_routing_trials")
PROMOTION_CODES = Bell("promotion-codes", "payments.tasks.make_promotion_codes")
