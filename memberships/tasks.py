"""The clock of memberships. Each task looks for due rows, may run twice at once, and may be lost."""

from celery import shared_task

from memberships.actions.services import carry_on, due_actions
from memberships.bells import CHARGE_NOTICES, CLOCKS, OVERDUE, RENEWALS
from memberships.checks import run_checks
from memberships.gifts.batches import MILL
from memberships.gifts.services import deliver, due_gifts
from memberships.invoices.recognition import recognise_due
from memberships.price_changes.announcing import advance_change, due_changes
from memberships.renewals.announcing import announce, due_notices
from memberships.renewals.notices import send_due_notices
from memberships.renewals.opening import BATCH as RENEWAL_BATCH
from memberships.renewals.stepping import renew_due, step_due
from memberships.reports.counting import count_due_months
from memberships.sandbox.journeys import due_journeys, travel
from memberships.stores.bells import PLAY_TOKENS
from memberships.stores.google.asking import advance_token, due_tokens
from memberships.stores.owners import due_purchases, look_again
from paycore import bell, clock
from paycore.alerts import raise_alert
from paycore.claims import try_each
from paycore.clock import database_now

BATCH = 20


@shared_task
def carry_on_member_actions() -> int:
    action_ids = due_actions(limit=2)
    try_each(action_ids, carry_on)
    return len(action_ids)


@shared_task
def recognise_revenue() -> int:
    return recognise_due()


@shared_task
def check_membership_books() -> int:
    findings = run_checks(now=database_now())
    for finding in findings:
        what = f"invariant {finding.code} broken"
        raise_alert(what=what, object_id=f"{finding.count}: {', '.join(finding.examples)}"[:120], now=clock.now())
    return len(findings)


@shared_task
def deliver_gifts() -> int:
    gift_ids = due_gifts(limit=BATCH)
    try_each(gift_ids, deliver)
    return len(gift_ids)


@shared_task
def make_redeem_codes() -> int:
    batch_ids = MILL.due(limit=2)
    try_each(batch_ids, MILL.advance)
    return len(batch_ids)


@shared_task
def advance_price_changes() -> int:
    change_ids = due_changes(limit=5)
    try_each(change_ids, advance_change)
    return len(change_ids)


@shared_task
def count_memberships() -> int:
    return count_due_months(now=database_now())


@shared_task
def renew_memberships() -> int:
    """A full batch is followed by the next at once."""
    bell.heard(RENEWALS)
    done = renew_due()
    if done == RENEWAL_BATCH:
        bell.ring(RENEWALS)
    return done


@shared_task
def advance_memberships() -> int:
    bell.heard(OVERDUE)
    return step_due()


@shared_task
def send_membership_notices() -> int:
    return send_due_notices()


@shared_task
def announce_charges() -> int:
    bell.heard(CHARGE_NOTICES)
    notice_ids = due_notices(limit=BATCH)
    try_each(notice_ids, announce)
    return len(notice_ids)


@shared_task
def ask_google_play() -> int:
    bell.heard(PLAY_TOKENS)
    token_ids = due_tokens(limit=BATCH)
    try_each(token_ids, advance_token)
    if len(token_ids) == BATCH:
        bell.ring(PLAY_TOKENS)  # there may be more, whose own rings were this one
    return len(token_ids)


@shared_task
def look_at_store_purchases() -> int:
    purchase_ids = due_purchases(limit=BATCH)
    try_each(purchase_ids, look_again)
    return len(purchase_ids)


@shared_task
def move_sandbox_clocks() -> int:
    bell.heard(CLOCKS)
    journey_ids = due_journeys(limit=2)
    try_each(journey_ids, travel)
    return len(journey_ids)
