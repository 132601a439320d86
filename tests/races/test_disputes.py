"""Answers, acceptances and the provider's notices at once: one of them counts, and the books follow one word."""

from functools import partial

import pytest

from payments.gateways.contract import DisputeNotice, DisputeStatus
from payments.orders.disputes.answering import accept_dispute, advance_dispute, send_answer, write_texts
from payments.orders.disputes.models import Dispute
from payments.orders.disputes.recording import record_dispute_notice
from payments.orders.models import Evidence, Payment
from riskcontrol.models import Case
from tests.actors import run_background
from tests.races.conftest import Shop
from tests.races.crew import Crew, Tally

pytestmark = [pytest.mark.races, pytest.mark.django_db(transaction=True)]
TRIALS = 30


def disputed(shop: Shop) -> Dispute:
    payment = shop.payment()
    made = shop.sandbox.disputes.open(payment.id, {"why": "fraudulent"})
    shop.sandbox.take_callbacks()
    dispute = hear(shop, said(payment, made.words["dispute"], DisputeStatus.NEEDS_RESPONSE))
    return write_texts(dispute.id, {"explanation": "They used it."})


def said(payment: Payment, reference: str, status: DisputeStatus) -> DisputeNotice:
    return DisputeNotice(reference, payment.id, status, payment.captured_minor, payment.currency, fee_minor=1_500)


def hear(shop: Shop, notice: DisputeNotice) -> Dispute:
    return record_dispute_notice(shop.account, notice, source=Evidence.Source.WEBHOOK)


def test_of_an_answer_and_an_acceptance_at_once_one_is_sent(shop: Shop, crew: Crew, tally: Tally) -> None:
    for _trial in range(TRIALS):
        dispute = disputed(shop)

        deeds = crew.at_once(
            partial(send_answer, dispute.id, by="usr_1"),
            partial(accept_dispute, dispute.id, by="usr_2"),
            partial(send_answer, dispute.id, by="usr_3"),
        )

        assert sorted(type(deed.error).__name__ for deed in deeds if deed.error) == ["DisputeNotOpen"] * 2
        decided = Dispute.objects.get(id=dispute.id)
        advance_dispute(dispute.id)
        ended = Dispute.objects.get(id=dispute.id)
        wanted = {"submitting": ("submitted", "under_review"), "accepting": ("accepted", "lost")}
        assert (ended.answer, ended.status) == wanted[decided.answer]
    run_background()
    shop.judge(tally)


def test_an_answer_sent_by_two_workers_while_the_decision_arrives(shop: Shop, crew: Crew, tally: Tally) -> None:
    for _trial in range(TRIALS):
        dispute = disputed(shop)
        send_answer(dispute.id, by="usr_1")
        lost = said(dispute.payment, dispute.gateway_reference, DisputeStatus.LOST)

        crew.at_once(
            partial(advance_dispute, dispute.id), partial(advance_dispute, dispute.id), partial(hear, shop, lost)
        )

        ended = Dispute.objects.get(id=dispute.id)
        assert (ended.status, ended.answer, ended.rounds) == ("lost", "submitted", 1)
        assert ended.withdrawn_minor == ended.amount_minor
        assert Payment.objects.get(id=dispute.payment_id).disputed_minor == ended.amount_minor
    run_background()
    shop.judge(tally)


def test_first_notices_at_once_make_one_dispute(shop: Shop, crew: Crew, tally: Tally) -> None:
    for trial in range(TRIALS):
        payment = shop.payment()
        notices = [
            said(payment, f"sdp_race_{trial}", status)
            for status in (DisputeStatus.NEEDS_RESPONSE, DisputeStatus.NEEDS_RESPONSE, DisputeStatus.WON)
        ]

        deeds = crew.at_once(*[partial(hear, shop, notice) for notice in notices])

        assert not [deed.error for deed in deeds if deed.error]
        dispute = Dispute.objects.get(payment=payment)
        assert (dispute.status, dispute.withdrawn_minor) == ("won", 0)
        assert Payment.objects.get(id=payment.id).disputed_minor == 0
        assert not Case.objects.filter(object_id=dispute.id, status="open").exists()
    run_background()
    shop.judge(tally)
