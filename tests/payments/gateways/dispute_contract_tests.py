"""What every adapter that takes a merchant's answer to a dispute must do, whatever provider is behind it."""

from abc import ABC, abstractmethod
from typing import ClassVar

import pytest

from payments.gateways.abilities import DisputeCapable, DisputeEvidence, EvidenceFile
from payments.gateways.contract import (
    DisputeNotice,
    DisputeStatus,
    GatewayOutcomeUnknown,
    GatewayRejected,
    GatewayUnavailable,
)
from tests.payments.gateways.contract_harness import (
    EFFECTIVE_TROUBLES,
    EFFECTLESS_TROUBLES,
    GatewayHarness,
    Trouble,
    paid,
)

TEXTS = {
    "explanation": "They used it for a month.",
    "product_description": "Premium",
    "customer_name": "Ada",
    "customer_email": "ada@example.com",
    "delivery_date": "2026-11-01",
    "tracking_number": "1Z999",
    "carrier": "UPS",
    "refund_policy": "None after 14 days.",
    "refund_refusal": "It was day 30.",
}
FILES = (
    EvidenceFile("receipt-dfl_1", "application/pdf", "receipt", b"%PDF-1.4 receipt"),
    EvidenceFile("delivery-dfl_2", "image/png", "delivery", b"\x89PNG\r\n\x1a\n delivery"),
)


class DisputeHarness(ABC):
    """The hands that move one provider's disputes. :meth:`open` disputes a payment ``pay_1`` of 12.34 USD."""

    gateway: DisputeCapable
    can_reopen: ClassVar[bool] = False
    """The provider's simulator can open a decided dispute once more."""

    @abstractmethod
    def open(self, *, is_warning: bool = False) -> str: ...

    @abstractmethod
    def decide(self, dispute: str, *, is_won: bool) -> None: ...

    @abstractmethod
    def answers_taken(self, dispute: str) -> int:
        """How many answers of the merchant the provider holds."""

    @abstractmethod
    def trouble_next_call(self, dispute: str, trouble: Trouble) -> None:
        """The next call that answers or accepts this dispute."""

    @abstractmethod
    def notices(self) -> list[DisputeNotice]:
        """What verified callbacks say (read anew, where they are hints) since the last call."""

    def reopen(self, dispute: str) -> None:
        """What was decided for us is opened once more."""
        raise NotImplementedError


class DisputeContractTests:
    @pytest.fixture
    def disputes(self) -> DisputeHarness:
        raise NotImplementedError("the gateway's test file gives the harness")

    def test_adapter_says_that_it_can(self, disputes: DisputeHarness) -> None:
        assert isinstance(disputes.gateway, DisputeCapable)

    def test_dispute_names_our_payment_its_money_and_the_date(self, disputes: DisputeHarness) -> None:
        dispute = disputes.open()
        notice = disputes.gateway.fetch_dispute(dispute)
        assert (notice.gateway_reference, notice.payment_reference) == (dispute, "pay_1")
        assert (notice.amount_minor, notice.currency) == (1234, "USD")
        assert notice.status is DisputeStatus.NEEDS_RESPONSE
        assert notice.evidence_due_at is not None
        assert notice.evidence_due_at.tzinfo is not None
        assert notice.occurred_at is not None

    def test_dispute_that_is_only_announced_is_a_warning(self, disputes: DisputeHarness) -> None:
        notice = disputes.gateway.fetch_dispute(disputes.open(is_warning=True))
        assert notice.status is DisputeStatus.WARNING
        assert notice.fee_minor == 0

    def test_callback_tells_what_a_question_answers(self, disputes: DisputeHarness) -> None:
        dispute = disputes.open()
        asked = disputes.gateway.fetch_dispute(dispute)
        [told] = [notice for notice in disputes.notices() if notice.gateway_reference == dispute]
        assert (told.status, told.amount_minor, told.currency, told.reason, told.evidence_due_at) == (
            asked.status,
            asked.amount_minor,
            asked.currency,
            asked.reason,
            asked.evidence_due_at,
        )

    @pytest.mark.parametrize("is_won", [True, False])
    def test_decision_is_told(self, disputes: DisputeHarness, is_won: bool) -> None:
        dispute = disputes.open()
        disputes.decide(dispute, is_won=is_won)
        wanted = DisputeStatus.WON if is_won else DisputeStatus.LOST
        assert disputes.gateway.fetch_dispute(dispute).status is wanted
        assert disputes.notices()[-1].status is wanted

    def test_answer_with_texts_and_files_is_weighed_and_taken_once(self, disputes: DisputeHarness) -> None:
        evidence = DisputeEvidence(disputes.open(), TEXTS, FILES)
        for _ in range(2):
            assert disputes.gateway.submit_evidence(evidence).status is DisputeStatus.UNDER_REVIEW
        assert disputes.answers_taken(evidence.gateway_reference) == 1

    @pytest.mark.parametrize("trouble", EFFECTIVE_TROUBLES)
    def test_lost_answer_to_an_answer_is_unknown_and_repeating_it_counts_once(
        self, disputes: DisputeHarness, trouble: Trouble
    ) -> None:
        evidence = DisputeEvidence(disputes.open(), TEXTS, FILES)
        disputes.trouble_next_call(evidence.gateway_reference, trouble)
        with pytest.raises(GatewayOutcomeUnknown):
            disputes.gateway.submit_evidence(evidence)
        assert disputes.gateway.submit_evidence(evidence).status is DisputeStatus.UNDER_REVIEW
        assert disputes.answers_taken(evidence.gateway_reference) == 1

    @pytest.mark.parametrize("trouble", EFFECTLESS_TROUBLES)
    def test_lost_answer_that_never_arrived_is_unknown_and_repeating_it_arrives(
        self, disputes: DisputeHarness, trouble: Trouble
    ) -> None:
        evidence = DisputeEvidence(disputes.open(), TEXTS)
        disputes.trouble_next_call(evidence.gateway_reference, trouble)
        with pytest.raises(GatewayOutcomeUnknown):
            disputes.gateway.submit_evidence(evidence)
        assert disputes.answers_taken(evidence.gateway_reference) == 0
        assert disputes.gateway.submit_evidence(evidence).status is DisputeStatus.UNDER_REVIEW
        assert disputes.answers_taken(evidence.gateway_reference) == 1

    def test_refused_connection_is_unavailable_and_nothing_was_answered(self, disputes: DisputeHarness) -> None:
        dispute = disputes.open()
        disputes.trouble_next_call(dispute, Trouble.CONNECTION_REFUSED)
        with pytest.raises(GatewayUnavailable):
            disputes.gateway.submit_evidence(DisputeEvidence(dispute, TEXTS))
        assert disputes.answers_taken(dispute) == 0

    def test_accepting_loses_and_is_safe_to_repeat(self, disputes: DisputeHarness) -> None:
        dispute = disputes.open()
        for _ in range(2):
            assert disputes.gateway.accept_dispute(dispute).status is DisputeStatus.LOST
        assert disputes.answers_taken(dispute) == 0

    @pytest.mark.parametrize("trouble", EFFECTIVE_TROUBLES)
    def test_lost_answer_to_an_acceptance_is_unknown_and_repeating_it_says_lost(
        self, disputes: DisputeHarness, trouble: Trouble
    ) -> None:
        dispute = disputes.open()
        disputes.trouble_next_call(dispute, trouble)
        with pytest.raises(GatewayOutcomeUnknown):
            disputes.gateway.accept_dispute(dispute)
        assert disputes.gateway.accept_dispute(dispute).status is DisputeStatus.LOST

    @pytest.mark.parametrize("is_won", [True, False])
    def test_answer_after_the_decision_takes_nothing(self, disputes: DisputeHarness, is_won: bool) -> None:
        dispute = disputes.open()
        disputes.decide(dispute, is_won=is_won)
        wanted = DisputeStatus.WON if is_won else DisputeStatus.LOST
        try:
            assert disputes.gateway.submit_evidence(DisputeEvidence(dispute, TEXTS)).status is wanted
        except GatewayRejected:
            assert disputes.gateway.fetch_dispute(dispute).status is wanted
        assert disputes.answers_taken(dispute) == 0

    def test_dispute_nobody_knows_is_refused(self, disputes: DisputeHarness) -> None:
        for call in (
            lambda: disputes.gateway.fetch_dispute("dp_never"),
            lambda: disputes.gateway.accept_dispute("dp_never"),
            lambda: disputes.gateway.submit_evidence(DisputeEvidence("dp_never", TEXTS)),
        ):
            with pytest.raises(GatewayRejected):
                call()

    def test_dispute_opened_anew_is_told_with_a_later_time(self, disputes: DisputeHarness) -> None:
        if not disputes.can_reopen:
            pytest.skip("the simulator cannot open a decided dispute")
        dispute = disputes.open()
        disputes.decide(dispute, is_won=True)
        won = disputes.gateway.fetch_dispute(dispute)
        disputes.reopen(dispute)
        anew = disputes.gateway.fetch_dispute(dispute)
        assert anew.status is DisputeStatus.NEEDS_RESPONSE
        assert won.occurred_at is not None
        assert anew.occurred_at is not None
        assert anew.occurred_at > won.occurred_at


def disputes_told(harness: GatewayHarness) -> list[DisputeNotice]:
    """Those among the verified callbacks since the last call."""
    return [notice for notice in harness.notices() if isinstance(notice, DisputeNotice)]


def with_a_payment(harness: GatewayHarness) -> None:
    """``pay_1``, and nobody has told of anything yet."""
    paid(harness)
    harness.callbacks()
