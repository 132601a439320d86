"""Celery and its clock. PostgreSQL holds the work; what is here may be lost at any instant (libraries.md, measured)."""

from datetime import timedelta

from celery.schedules import crontab

from paycore.settings import env

REDIS_URL = env.text("REDIS_URL", "redis://127.0.0.1:6379/0")
PAYCORE_BELL_ENABLED = True

CELERY_BROKER_URL = REDIS_URL
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_RETRY_ON_WORKER_LOST = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_TASK_TIME_LIMIT = 50  # below the visibility timeout, or a long task would run twice at once
CELERY_TASK_SOFT_TIME_LIMIT = 45
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_WORKER_CANCEL_LONG_RUNNING_TASKS_ON_CONNECTION_LOSS = True
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_TRANSPORT_OPTIONS = {
    "visibility_timeout": 60,
    "unacked_restore_interval": 5,
    "unacked_restore_throttle": 1,
    "socket_timeout": 5,
    "socket_connect_timeout": 2,
    "socket_keepalive": True,
}
CELERY_DB_REUSE_MAX = 10**9  # Celery would close the connection around every task; paycore.celery checks its health

CELERY_BEAT_SCHEDULE = {
    "drain-outbox": {"task": "paycore.tasks.drain_outbox", "schedule": timedelta(seconds=2), "options": {"expires": 2}},
    "sync-payments": {
        "task": "payments.tasks.sync_pending_payments",
        "schedule": timedelta(seconds=2),
        "options": {"expires": 2},
    },
    "advance-refunds": {
        "task": "payments.tasks.advance_refunds",
        "schedule": timedelta(seconds=2),
        "options": {"expires": 2},
    },
    "advance-routing-trials": {
        "task": "payments.tasks.advance_routing_trials",
        "schedule": timedelta(seconds=5),
        "options": {"expires": 5},
    },
    "advance-captures": {
        "task": "payments.tasks.advance_captures",
        "schedule": timedelta(seconds=2),
        "options": {"expires": 2},
    },
    "advance-methods": {
        "task": "payments.tasks.advance_methods",
        "schedule": timedelta(seconds=3),
        "options": {"expires": 3},
    },
    "remind-of-expiring-cards": {
        "task": "payments.tasks.remind_of_expiring_cards",
        "schedule": crontab(hour=9, minute=5),
        "options": {"expires": 3600},
    },
    "reread-hints": {
        "task": "payments.tasks.reread_hints",
        "schedule": timedelta(seconds=2),
        "options": {"expires": 2},
    },
    "advance-disputes": {
        "task": "payments.tasks.advance_disputes",
        "schedule": timedelta(seconds=5),
        "options": {"expires": 5},
    },
    "remind-of-disputes": {
        "task": "payments.tasks.remind_of_disputes",
        "schedule": timedelta(minutes=10),
        "options": {"expires": 600},
    },
    "carry-on-member-actions": {
        "task": "memberships.tasks.carry_on_member_actions",
        "schedule": timedelta(seconds=3),
        "options": {"expires": 3},
    },
    "recognise-revenue": {
        "task": "memberships.tasks.recognise_revenue",
        "schedule": timedelta(minutes=10),
        "options": {"expires": 600},
    },
    "check-membership-books": {
        "task": "memberships.tasks.check_membership_books",
        "schedule": timedelta(minutes=5),
        "options": {"expires": 240},
    },
    "deliver-gifts": {
        "task": "memberships.tasks.deliver_gifts",
        "schedule": timedelta(seconds=10),
        "options": {"expires": 10},
    },
    "make-redeem-codes": {
        "task": "memberships.tasks.make_redeem_codes",
        "schedule": timedelta(seconds=3),
        "options": {"expires": 3},
    },
    "expire-orders": {
        "task": "payments.tasks.expire_orders",
        "schedule": timedelta(seconds=5),
        "options": {"expires": 5},
    },
    "send-notifications": {
        "task": "paycore.tasks.send_notifications",
        "schedule": timedelta(seconds=3),
        "options": {"expires": 3},
    },
    "deliver-webhooks": {
        "task": "merchants.tasks.deliver_webhooks",
        "schedule": timedelta(seconds=2),
        "options": {"expires": 2},
    },
    "drop-old-webhook-events": {
        "task": "merchants.tasks.drop_old_webhook_events",
        "schedule": timedelta(hours=1),
        "options": {"expires": 600},
    },
    "make-promotion-codes": {
        "task": "payments.tasks.make_promotion_codes",
        "schedule": timedelta(seconds=10),
        "options": {"expires": 10},
    },
    "check-books": {
        "task": "payments.tasks.check_books",
        "schedule": timedelta(minutes=5),
        "options": {"expires": 240},
    },
    "seal-ledger": {
        "task": "payments.tasks.seal_ledger",
        "schedule": timedelta(minutes=5),
        "options": {"expires": 240},
    },
    "build-data-exports": {
        "task": "accounts.tasks.build_data_exports",
        "schedule": timedelta(seconds=5),
        "options": {"expires": 5},
    },
    "expire-data-exports": {
        "task": "accounts.tasks.expire_data_exports",
        "schedule": timedelta(minutes=5),
        "options": {"expires": 240},
    },
    "erase-people": {
        "task": "accounts.tasks.erase_people",
        "schedule": timedelta(minutes=1),
        "options": {"expires": 60},
    },
    "delete-identity-documents": {
        "task": "accounts.tasks.delete_identity_documents",
        "schedule": timedelta(hours=1),
        "options": {"expires": 600},
    },
    "expect-statements": {
        "task": "reconciliation.tasks.expect_statements",
        "schedule": timedelta(minutes=5),
        "options": {"expires": 240},
    },
    "advance-statements": {
        "task": "reconciliation.tasks.advance_statements",
        "schedule": timedelta(seconds=10),
        "options": {"expires": 10},
    },
    "settle-discrepancies": {
        "task": "reconciliation.tasks.settle_discrepancies",
        "schedule": timedelta(seconds=10),
        "options": {"expires": 10},
    },
    "read-bank-statements": {
        "task": "reconciliation.tasks.read_bank_statements",
        "schedule": timedelta(seconds=5),
        "options": {"expires": 5},
    },
    "settle-bank-lines": {
        "task": "reconciliation.tasks.settle_bank_lines",
        "schedule": timedelta(seconds=5),
        "options": {"expires": 5},
    },
    "collect-bank-payouts": {
        "task": "reconciliation.tasks.collect_bank_payouts",
        "schedule": timedelta(minutes=1),
        "options": {"expires": 50},
    },
    "check-reconciliation": {
        "task": "reconciliation.tasks.check_reconciliation",
        "schedule": timedelta(minutes=5),
        "options": {"expires": 240},
    },
    "advance-price-changes": {
        "task": "memberships.tasks.advance_price_changes",
        "schedule": timedelta(seconds=5),
        "options": {"expires": 5},
    },
    "rebuild-velocity": {
        "task": "riskcontrol.tasks.rebuild_velocity",
        "schedule": timedelta(minutes=1),
        "options": {"expires": 50},
    },
    "rate-everyone": {
        "task": "riskcontrol.tasks.rate_everyone",
        "schedule": crontab(hour=2, minute=20),
        "options": {"expires": 3600},
    },
    "forget-unfinished-sign-ups": {
        "task": "accounts.tasks.forget_unfinished_sign_ups",
        "schedule": timedelta(hours=1),
        "options": {"expires": 600},
    },
    "forget-ended-sessions": {
        "task": "accounts.tasks.forget_ended_sessions",
        "schedule": timedelta(hours=1),
        "options": {"expires": 600},
    },
    "count-memberships": {
        "task": "memberships.tasks.count_memberships",
        "schedule": timedelta(hours=1),
        "options": {"expires": 600},
    },
    "renew-memberships": {
        "task": "memberships.tasks.renew_memberships",
        "schedule": timedelta(seconds=5),
        "options": {"expires": 5},
    },
    "advance-memberships": {
        "task": "memberships.tasks.advance_memberships",
        "schedule": timedelta(seconds=5),
        "options": {"expires": 5},
    },
    "send-membership-notices": {
        "task": "memberships.tasks.send_membership_notices",
        "schedule": timedelta(seconds=20),
        "options": {"expires": 20},
    },
    "announce-charges": {
        "task": "memberships.tasks.announce_charges",
        "schedule": timedelta(seconds=30),
        "options": {"expires": 30},
    },
    "ask-google-play": {
        "task": "memberships.tasks.ask_google_play",
        "schedule": timedelta(seconds=3),
        "options": {"expires": 3},
    },
    "look-at-store-purchases": {
        "task": "memberships.tasks.look_at_store_purchases",
        "schedule": timedelta(seconds=30),
        "options": {"expires": 30},
    },
    "move-sandbox-clocks": {
        "task": "memberships.tasks.move_sandbox_clocks",
        "schedule": timedelta(seconds=1),
        "options": {"expires": 1},
    },
    "housekeeping": {"task": "paycore.tasks.housekeeping", "schedule": timedelta(hours=1), "options": {"expires": 600}},
}
