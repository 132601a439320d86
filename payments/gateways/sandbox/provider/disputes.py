"""Disputes at the sandbox: ALERT, CONTESTED, WEIGHED, KEPT_BY_SHOP, TAKEN_BACK.

The payer contests a payment; the shop answers once, or gives in; then somebody decides: the script, a control call, the
buttons of the page, or the clock (nobody answered in time).
"""

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from payments.gateways.sandbox.provider.book import Book, Contest, Txn
from payments.gateways.sandbox.provider.dispute_words import (
    contest_words,
    read_answer,
    read_reason,
    read_sum,
    require_file,
)
from payments.gateways.sandbox.provider.faults import FAULTS_BEFORE_EFFECT, next_fault
from payments.gateways.sandbox.provider.notices import NoticeWriter
from payments.gateways.sandbox.provider.scripts import Script, parse_script
from payments.gateways.sandbox.provider.words import Refusal, Reply

FEE = 1500
ANSWER_WITHIN_SECONDS = 7 * 24 * 3600
OPEN_STATES = ("ALERT", "CONTESTED")
DECISIONS = {"shop": "KEPT_BY_SHOP", "payer": "TAKEN_BACK"}


@dataclass(frozen=True, slots=True)
class DisputeDesk:
    book: Book
    notices: NoticeWriter
    clock: Callable[[], float]

    def open(self, reference: str, words: Mapping[str, Any]) -> Reply:
        """The payer contests the payment, or (``early``) their bank says that they are about to."""
        with self.book.transaction():
            txn = self.book.find_txn(reference)
            if txn is None or not txn.taken:
                raise Refusal(404, "no_such_reference", "no money was taken under this reference")
            contest = open_contest(
                self.book,
                txn,
                why=read_reason(words.get("why")),
                amount=read_sum(words.get("sum"), txn),
                is_early=words.get("early") is True,
                now=self.clock(),
            )
            self._changed(contest)
            return Reply(contest_words(contest))

    def fetch(self, dispute: str) -> Reply:
        with self.book.transaction():
            fault, contest = self._find(dispute, operation="fetch_dispute")
            if fault in FAULTS_BEFORE_EFFECT:
                return Reply({}, fault)
            return Reply(contest_words(contest), fault)

    def add_file(self, dispute: str, *, digest: str, content_type: str, body: bytes) -> Reply:
        """What an answer may name later. The same file twice is one; only its size and type are kept."""
        require_file(digest, content_type=content_type, body=body)
        with self.book.transaction():
            fault, contest = self._find(dispute, operation="file")
            if fault in FAULTS_BEFORE_EFFECT:
                return Reply({}, fault)
            if contest.state not in OPEN_STATES:
                raise Refusal(409, "not_open", f"the dispute is {contest.state}")
            self.book.add_proof(contest.dispute, digest=digest, content_type=content_type, size=len(body))
            return Reply({"file": digest, "size": len(body)}, fault)

    def answer(self, dispute: str, words: Mapping[str, Any]) -> Reply:
        """Once, and before the date: the same answer again says how the dispute stands."""
        answer = read_answer(words)
        with self.book.transaction():
            fault, contest = self._find(dispute, operation="answer")
            if fault in FAULTS_BEFORE_EFFECT:
                return Reply({}, fault)
            if contest.answer:
                return Reply(contest_words(contest), fault)
            if contest.state not in OPEN_STATES:
                raise Refusal(409, "not_open", f"the dispute is {contest.state}")
            missing = [name for name in answer.files if not self.book.has_proof(contest.dispute, digest=name)]
            if missing:
                raise Refusal(422, "no_such_file", f"send {missing[0]} first")
            contest.answer = answer.text
            decision = self._script(contest).dispute_decision
            contest.state = DECISIONS.get(decision, "WEIGHED")
            self._changed(contest)
            return Reply(contest_words(contest), fault)

    def concede(self, dispute: str) -> Reply:
        """The shop gives in. Safe to repeat."""
        with self.book.transaction():
            fault, contest = self._find(dispute, operation="concede")
            if fault in FAULTS_BEFORE_EFFECT:
                return Reply({}, fault)
            if contest.state in OPEN_STATES:
                contest.state = "TAKEN_BACK"
                self._changed(contest)
            elif contest.state != "TAKEN_BACK":
                raise Refusal(409, "not_open", f"the dispute is {contest.state}")
            return Reply(contest_words(contest), fault)

    def move(self, dispute: str, *, to: str) -> Reply:
        """What the world does: ``contest`` (an alert becomes real; what the shop won is opened anew), ``shop`` or
        ``payer`` (who gets the money)."""
        with self.book.transaction():
            contest = self._known(dispute)
            before = contest.state
            if to == "contest" and before in ("ALERT", "KEPT_BY_SHOP"):
                contest.state, contest.answer = "CONTESTED", ""
                contest.answer_until = self.clock() + ANSWER_WITHIN_SECONDS
            elif to in DECISIONS and before != "ALERT":
                contest.state = DECISIONS[to]
            else:
                raise Refusal(409, "not_possible", f"the dispute is {before}")
            if contest.state != before:
                self._changed(contest)
            return Reply(contest_words(contest))

    def of_payment(self, reference: str) -> list[Contest]:
        with self.book.transaction():
            return self.book.contests_of(reference)

    def settle_due(self, *, limit: int = 200) -> int:
        """Whoever does not answer in time has lost; an alert comes to nothing."""
        with self.book.transaction():
            due = self.book.due_contests(self.clock(), limit=limit)
            for contest in due:
                contest.state = "KEPT_BY_SHOP" if contest.state == "ALERT" else "TAKEN_BACK"
                self._changed(contest)
            return len(due)

    def _changed(self, contest: Contest) -> None:
        contest.changed_at = max(self.clock(), contest.changed_at + 0.001)
        if contest.state != "ALERT":
            contest.fee = FEE
        self.book.save_contest(contest)
        self.notices.dispute_changed(contest, self._script(contest), now=self.clock())

    def _find(self, dispute: str, *, operation: str) -> tuple[str, Contest]:
        contest = self._known(dispute)
        return next_fault(self.book, self._script(contest), operation=operation, reference=dispute), contest

    def _known(self, dispute: str) -> Contest:
        contest = self.book.find_contest(dispute)
        if contest is None:
            raise Refusal(404, "no_such_reference", "there is no dispute under this reference")
        return contest

    def _script(self, contest: Contest) -> Script:
        own = self.book.script_for(contest.dispute)
        if own:
            return parse_script(own)
        txn = self.book.find_txn(contest.of)
        return parse_script(self.book.script_for(contest.of, own=txn.script if txn else ""))


def open_contest(book: Book, txn: Txn, *, why: str, amount: int, is_early: bool, now: float) -> Contest:
    """Not yet told to anybody. Runs in the caller's transaction."""
    contest = Contest(
        dispute=f"sdp_{secrets.token_hex(12)}",
        of=txn.reference,
        txn=txn.txn,
        state="ALERT" if is_early else "CONTESTED",
        amount=amount,
        coin=txn.coin,
        why=why,
        fee=0 if is_early else FEE,
        answer_until=now + ANSWER_WITHIN_SECONDS,
        tell=txn.tell,
        created_at=now,
        changed_at=now,
    )
    book.save_contest(contest)
    return contest
