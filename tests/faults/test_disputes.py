"""A merchant's answer to a dispute, killed with SIGKILL on both sides of every commit: afterwards it was sent once."""

from collections.abc import Iterator

import pytest

from payments.gateways.sandbox.provider.book import Book
from payments.gateways.sandbox.provider.core import SandboxProvider
from payments.orders.disputes.answering import accept_dispute, advance_dispute, send_answer, write_texts
from payments.orders.disputes.models import Dispute
from payments.routing.models import GatewayAccount
from tests.actors import MerchantServer, assert_books_are_whole
from tests.conftest import SANDBOX_SECRET
from tests.faults.cuts import Cut
from tests.faults.test_wallet import die_at
from tests.payments.disputed import Quarrel, quarrel_about

pytestmark = pytest.mark.django_db(transaction=True)

SEND_CUTS = {
    "in_mark": Cut("payments.orders.disputes.answering:_mark_attempt", "uncommitted"),
    "after_mark": Cut("payments.orders.disputes.answering:_mark_attempt", "after"),
    "answer_received": Cut("payments.orders.disputes.answering:ask", "after"),
    "in_answer": Cut("payments.orders.disputes.answering:_set_answer", "uncommitted"),
    "after_answer": Cut("payments.orders.disputes.answering:_set_answer", "after"),
    "in_record": Cut("payments.orders.disputes.answering:record_dispute_notice", "uncommitted"),
    "after_record": Cut("payments.orders.disputes.answering:record_dispute_notice", "after"),
}
INTENT_CUTS = {
    "in_intent": Cut("payments.orders.disputes.answering:_intend", "uncommitted"),
    "after_intent": Cut("payments.orders.disputes.answering:_intend", "after"),
}


@pytest.fixture
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxProvider]:
    """With its book on disk: what a killed process told the provider stays told."""
    book = Book(tmp_path_factory.mktemp("sandbox") / "book.sqlite3", is_durable=False)
    yield SandboxProvider(secrets=[SANDBOX_SECRET], book=book, base_url="http://sandbox.test")
    book.close()


@pytest.fixture
def quarrel(merchant_server: MerchantServer, account: GatewayAccount, sandbox: SandboxProvider) -> Quarrel:
    _order, payment = merchant_server.paid_order(amount_minor=5_000)
    quarrel = quarrel_about(payment, sandbox=sandbox, server=merchant_server).open()
    write_texts(quarrel.dispute.id, {"explanation": "They used it."})
    return quarrel


def answers_taken(quarrel: Quarrel) -> int:
    [(count,)] = quarrel.sandbox.book.rows("SELECT count(*) FROM contest WHERE answer <> ''")
    return int(count)


@pytest.mark.parametrize("cut", SEND_CUTS)
def test_an_answer_killed_anywhere_is_sent_once(quarrel: Quarrel, cut: str) -> None:
    dispute_id = send_answer(quarrel.dispute.id, by="usr_1").id
    die_at(SEND_CUTS[cut], lambda: advance_dispute(dispute_id))
    assert answers_taken(quarrel) == (cut not in ("in_mark", "after_mark"))
    for _again in range(2):
        advance_dispute(dispute_id)
    quarrel.hear()
    assert (quarrel.dispute.answer, quarrel.dispute.status) == ("submitted", "under_review")
    assert answers_taken(quarrel) == 1
    assert_books_are_whole()


@pytest.mark.parametrize("cut", SEND_CUTS)
def test_giving_up_killed_anywhere_loses_once(quarrel: Quarrel, cut: str) -> None:
    dispute_id = accept_dispute(quarrel.dispute.id, by="usr_1").id
    die_at(SEND_CUTS[cut], lambda: advance_dispute(dispute_id))
    for _again in range(2):
        advance_dispute(dispute_id)
    quarrel.hear()
    assert (quarrel.dispute.answer, quarrel.dispute.status) == ("accepted", "lost")
    assert quarrel.dispute.rounds == 1
    assert_books_are_whole()


@pytest.mark.parametrize("cut", INTENT_CUTS)
def test_an_intent_that_was_not_committed_sends_nothing(quarrel: Quarrel, cut: str) -> None:
    dispute_id = quarrel.dispute.id
    die_at(INTENT_CUTS[cut], lambda: send_answer(dispute_id, by="usr_1"))
    assert Dispute.objects.get().answer == "open"
    quarrel.hear()
    assert answers_taken(quarrel) == 0
    send_answer(dispute_id, by="usr_1")
    quarrel.hear()
    assert answers_taken(quarrel) == 1
