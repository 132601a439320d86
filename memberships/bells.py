"""What memberships ring for, besides the outbox."""

from paycore.bell import Bell

RENEWALS = Bell("renewals", "memberships.tasks.renew_memberships")
OVERDUE = Bell("overdue-memberships", "memberships.tasks.advance_memberships")
CHARGE_NOTICES = Bell("charge-notices", "memberships.tasks.announce_charges")
CLOCKS = Bell("sandbox-clocks", "memberships.tasks.move_sandbox_clocks")
