"""The notices (callbacks) the sandbox owes: written in the transaction of the change they tell."""

import json
import secrets
from dataclasses import dataclass
from typing import Any

from payments.gateways.sandbox.provider.book import Book, Contest, GiveBack, Keep, Txn
from payments.gateways.sandbox.provider.dispute_words import contest_words
from payments.gateways.sandbox.provider.scripts import Script
from payments.gateways.sandbox.provider.words import give_back_words, keep_words, txn_words

PAYMENT_CHANGED = "txn.changed"
REFUND_CHANGED = "give_back.changed"
KEEP_CHANGED = "keep.changed"
DISPUTE_CHANGED = "dispute.changed"
RETRY_SECONDS = (2, 5, 15, 30, 60, 120, 300, 600, 1800, 3600)


@dataclass(frozen=True, slots=True)
class NoticeWriter:
    book: Book
    base_url: str

    def payment_changed(self, txn: Txn, script: Script, *, now: float) -> None:
        """Also plays the script's tricks with callbacks."""
        if not txn.tell or script.callback_style == "none":
            return
        words = txn_words(txn, base_url=self.base_url, keep=self.book.find_keep(txn.reference))
        if script.callback_style == "wrong_amount":
            words["sum"] = words["taken"] = txn.amount + 1
        if script.callback_style == "wrong_currency":
            words["coin"] = "USD" if txn.coin == "EUR" else "EUR"
        due_at = now + script.callback_delay_seconds
        self._write(PAYMENT_CHANGED, words, url=txn.tell, due_at=due_at, copies=script.callback_copies)
        if script.callback_style == "out_of_order":
            older = {**words, "state": "WORKING", "taken": 0, "held": 0, "fee": 0, "why": ""}
            older["at"] = round(txn.created_at * 1000) - 1
            self._write(PAYMENT_CHANGED, older, url=txn.tell, due_at=due_at)

    def payment_forged(self, txn: Txn, *, now: float) -> None:
        """Somebody else claims that the payment was made."""
        if txn.tell:
            claim = {**txn_words(txn, base_url=self.base_url, keep=None), "state": "PAID", "taken": txn.amount}
            self._write(PAYMENT_CHANGED, claim, url=txn.tell, due_at=now, is_forged=True)

    def refund_changed(self, give_back: GiveBack, script: Script, *, now: float) -> None:
        if not give_back.tell or script.callback_style == "none":
            return
        due_at = now + script.callback_delay_seconds
        words = give_back_words(give_back)
        self._write(REFUND_CHANGED, words, url=give_back.tell, due_at=due_at, copies=script.callback_copies)

    def keep_changed(self, keep: Keep, script: Script, *, now: float) -> None:
        if not keep.tell or script.callback_style == "none":
            return
        words = keep_words(keep, base_url=self.base_url)
        due_at = now + script.callback_delay_seconds
        self._write(KEEP_CHANGED, words, url=keep.tell, due_at=due_at, copies=script.callback_copies)

    def dispute_changed(self, contest: Contest, script: Script, *, now: float) -> None:
        if not contest.tell or script.callback_style == "none":
            return
        words = contest_words(contest)
        due_at = now + script.callback_delay_seconds
        self._write(DISPUTE_CHANGED, words, url=contest.tell, due_at=due_at, copies=script.callback_copies)

    def _write(
        self,
        kind: str,
        words: dict[str, Any],
        *,
        url: str,
        due_at: float,
        copies: int = 1,
        is_forged: bool = False,
    ) -> None:
        notice = {"notice": f"ntc_{secrets.token_hex(12)}", "kind": kind, "at": words["at"], "subject": words}
        body = json.dumps(notice).encode()
        for _ in range(copies):
            self.book.add_notice(url=url, body=body, due_at=due_at, is_forged=is_forged)


def next_attempt_after(attempts: int) -> float | None:
    """Seconds to wait after the given number of failed attempts; None: the sandbox gives up."""
    return RETRY_SECONDS[attempts - 1] if attempts <= len(RETRY_SECONDS) else None
