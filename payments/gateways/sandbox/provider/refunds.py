"""Refunds ("give-backs") at the sandbox: WORKING, GIVEN, DECLINED."""

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from payments.gateways.sandbox.provider.book import Book, GiveBack, Txn
from payments.gateways.sandbox.provider.faults import FAULTS_BEFORE_EFFECT, next_fault
from payments.gateways.sandbox.provider.notices import NoticeWriter
from payments.gateways.sandbox.provider.scripts import DECLINE_WORDS, Script, parse_script
from payments.gateways.sandbox.provider.words import (
    Refusal,
    Reply,
    give_back_words,
    read_address,
    read_amount,
    read_coin,
    read_reference,
    read_text,
)


@dataclass(frozen=True, slots=True)
class RefundDesk:
    book: Book
    notices: NoticeWriter
    clock: Callable[[], float]

    def create(self, words: Mapping[str, Any]) -> Reply:
        """The same reference gives back once. Never more than was taken, refunds under way included."""
        now = self.clock()
        order = self._read_order(words, now=now)
        with self.book.transaction():
            txn = self.book.find_txn(order.of)
            existing = self.book.find_give_back(order.reference)
            order.script = self._script_text(order, txn)
            script = parse_script(existing.script if existing else order.script)
            fault = next_fault(self.book, script, operation="refund", reference=order.reference)
            if fault in FAULTS_BEFORE_EFFECT:
                return Reply({}, fault)
            if existing is not None:
                return self._repeat(existing, order, fault=fault)
            self._reserve(order, txn)
            self._begin(order, script, now=now)
            return Reply(give_back_words(order), fault)

    def fetch(self, reference: str) -> Reply:
        with self.book.transaction():
            found = self.book.find_give_back(reference)
            text = self.book.script_for(reference, own=found.script if found else "", or_default=found is None)
            fault = next_fault(self.book, parse_script(text), operation="fetch_refund", reference=reference)
            if fault in FAULTS_BEFORE_EFFECT:
                return Reply({}, fault)
            if found is None:
                raise Refusal(404, "no_such_reference", "there is no give-back under this reference")
            return Reply(give_back_words(self._up_to_date(found)), fault)

    def settle_due(self, *, limit: int = 200) -> int:
        with self.book.transaction():
            due = self.book.due_give_backs(self.clock(), limit=limit)
            for give_back in due:
                self._up_to_date(give_back)
            return len(due)

    def _read_order(self, words: Mapping[str, Any], *, now: float) -> GiveBack:
        return GiveBack(
            reference=read_reference(words.get("reference")),
            give_back=f"sgb_{secrets.token_hex(12)}",
            of=read_reference(words.get("of"), name="of"),
            amount=read_amount(words.get("sum")),
            coin=read_coin(words.get("coin")),
            state="WORKING",
            note=read_text(words.get("note"), name="note"),
            tell=read_address(words.get("tell"), name="tell"),
            script="",
            created_at=now,
            changed_at=now,
        )

    def _script_text(self, order: GiveBack, txn: Txn | None) -> str:
        own = self.book.script_for(order.reference)
        if own or txn is None:
            return own
        return self.book.script_for(txn.reference, own=txn.script)

    def _repeat(self, existing: GiveBack, order: GiveBack, *, fault: str) -> Reply:
        if (existing.of, existing.amount, existing.coin) != (order.of, order.amount, order.coin):
            raise Refusal(409, "reference_used", "this reference names another give-back")
        return Reply(give_back_words(self._up_to_date(existing)), fault)

    def _reserve(self, order: GiveBack, txn: Txn | None) -> None:
        if txn is None or not txn.via:
            raise Refusal(404, "no_such_reference", "there is no payment to give back")
        if order.coin != txn.coin:
            raise Refusal(422, "coin_differs", f"the payment is in {txn.coin}")
        if order.amount > txn.taken - txn.given_back:
            raise Refusal(422, "more_than_taken", f"{txn.taken - txn.given_back} is left to give back")
        txn.given_back += order.amount
        self.book.save_txn(txn)

    def _begin(self, order: GiveBack, script: Script, *, now: float) -> None:
        outcome = "DECLINED" if script.refund_outcome == "decline" else "GIVEN"
        if script.refund_settles_after_seconds:
            order.settles_at, order.settles_to = now + script.refund_settles_after_seconds, outcome
            self.book.save_give_back(order)
        else:
            self._reach(order, script, outcome=outcome, now=now)

    def _reach(self, give_back: GiveBack, script: Script, *, outcome: str, now: float) -> None:
        give_back.settles_at, give_back.settles_to = None, ""
        give_back.state, give_back.changed_at = outcome, now
        if outcome == "DECLINED":
            give_back.why = DECLINE_WORDS["account_closed"]
            self.book.change(
                "UPDATE txn SET given_back = given_back - ? WHERE reference = ?", give_back.amount, give_back.of
            )
        self.book.save_give_back(give_back)
        self.notices.refund_changed(give_back, script, now=now)

    def _up_to_date(self, give_back: GiveBack) -> GiveBack:
        now = self.clock()
        if give_back.settles_at is not None and give_back.settles_at <= now:
            self._reach(give_back, parse_script(give_back.script), outcome=give_back.settles_to, now=now)
        return give_back
