"""What goes back, told by several workers in the same instant."""

from functools import partial

import pytest

from memberships.disputing import credit_lost_dispute, lose, win
from memberships.models import CreditNote, Grant, Invoice, PromisedRefund, Subscription
from memberships.subscriptions.promises import give_as_credit, keep, send_again, settle_promise
from memberships.subscriptions.refunded import credit_refund
from merchants.models import Merchant
from payments.gateways.contract import DisputeStatus
from payments.orders.models import Payment, Refund
from payments.orders.refunds import due_refunds, send_refund
from payments.routing.models import GatewayAccount
from tests.actors import AppUser, assert_books_are_whole
from tests.memberships.factories import make_catalogue
from tests.memberships.joining import join
from tests.memberships.test_credit_returned import join_with_credit
from tests.memberships.test_disputes_won import tell
from tests.memberships.test_promised_refunds import owed_after_cancel
from tests.races.crew import Crew

pytestmark = [pytest.mark.races, pytest.mark.django_db(transaction=True)]


def test_credit_comes_back_once_however_many_tell_it(
    app_user: AppUser, account: GatewayAccount, platform: Merchant, crew: Crew
) -> None:
    member = join_with_credit(app_user, make_catalogue())
    app_user.post("/refunds", {"payment": Payment.objects.get().id, "reason": "an outage"})
    for refund_id in due_refunds(limit=10):
        send_refund(refund_id)
    refund_id = Refund.objects.get(status="succeeded").id
    assert not CreditNote.objects.exists()
    deeds = crew.at_once(*[partial(credit_refund, refund_id)] * 8)
    assert [deed.error for deed in deeds] == [None] * 8
    assert sum(deed.answer is not None for deed in deeds) == 1
    assert Subscription.objects.get(id=member.id).credit_minor == 500
    assert_books_are_whole()


def test_a_dispute_that_is_won_while_its_loss_is_heard_leaves_one_truth(
    app_user: AppUser, account: GatewayAccount, platform: Merchant, crew: Crew
) -> None:
    join(app_user, make_catalogue())
    dispute = tell(account, DisputeStatus.LOST)
    tell(account, DisputeStatus.WON)
    acts = [partial(act, dispute.id) for act in (win, lose, credit_lost_dispute, win)]
    deeds = crew.at_once(*acts * 2)
    assert [deed.error for deed in deeds] == [None] * 8
    assert CreditNote.objects.get().voided_at is not None
    assert Grant.objects.filter(revoked_at=None).count() == 1
    assert_books_are_whole()


def test_what_is_owed_is_decided_once(
    app_user: AppUser, account: GatewayAccount, platform: Merchant, crew: Crew, settings: object
) -> None:
    Merchant.objects.filter(id=platform.id).update(refund_review_above_minor=0)
    settings.PAYCORE_MEMBERSHIP_REFUND = "prorated"  # type: ignore[attr-defined]  # pytest-django's
    member, promised = owed_after_cancel(app_user, make_catalogue())
    acts = [
        partial(send_again, promised.id, by="usr_a"),
        partial(give_as_credit, promised.id, by="usr_b"),
        partial(keep, promised.id, reason="x", by="usr_c"),
        partial(settle_promise, promised.refund_id),
    ]
    deeds = crew.at_once(*acts * 2)
    assert sum(deed.error is None for deed in deeds) == 1 + 2  # one decision, and news that changes nothing
    promised.refresh_from_db()
    sent = PromisedRefund.objects.filter(status="sent").count()
    credit = Subscription.objects.get(id=member.id).credit_minor
    assert (promised.status, sent, credit) in (
        ("sent_again", 1, 0), ("credited", 0, promised.amount_minor), ("dropped", 0, 0),
    )  # fmt: skip
    assert Invoice.objects.count() == 1
    assert_books_are_whole()
