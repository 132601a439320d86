"""The sandbox provider as one object: usable in process (tests, benchmarks) or behind WSGI."""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from payments.gateways.sandbox.provider.book import Book, Txn
from payments.gateways.sandbox.provider.disputes import DisputeDesk
from payments.gateways.sandbox.provider.keeps import KeepDesk
from payments.gateways.sandbox.provider.notices import NoticeWriter, next_attempt_after
from payments.gateways.sandbox.provider.payments import PaymentDesk
from payments.gateways.sandbox.provider.refunds import RefundDesk
from payments.gateways.sandbox.provider.scripts import script_text
from payments.gateways.sandbox.signature import HEADER, sign

# While one courier is sending a notice no other takes it; a killed courier's notices are due again after this.
SENDING_LEASE_SECONDS = 30.0
_FORGERS_KEY = "whatever a forger may guess"

OutgoingNotice = tuple[str, dict[str, str], bytes]
"""Address, headers, body."""


class SandboxProvider:
    """``clock`` is the provider's business time; ``signing_clock`` stamps signatures, so that tests may move the
    first and still have fresh signatures. The first of ``secrets`` is the newest; each signs and each is accepted."""

    def __init__(
        self,
        *,
        secrets: Sequence[str],
        book: Book | None = None,
        base_url: str = "http://sandbox.test",
        clock: Callable[[], float] = time.time,
        signing_clock: Callable[[], float] = time.time,
    ) -> None:
        if not secrets or not all(secrets):
            raise ValueError("the sandbox needs a secret")
        self.secrets = tuple(secrets)
        self.book = book or Book()
        self.base_url = base_url.rstrip("/")
        self.clock = clock
        self.signing_clock = signing_clock
        notices = NoticeWriter(self.book, self.base_url)
        self.payments = PaymentDesk(self.book, notices, clock, self.base_url)
        self.refunds = RefundDesk(self.book, notices, clock)
        self.keeps = KeepDesk(self.book, notices, clock, self.base_url)
        self.disputes = DisputeDesk(self.book, notices, clock)

    def sign(self, body: bytes) -> str:
        return sign(body, secrets=self.secrets, timestamp=int(self.signing_clock()))

    def set_default_script(self, script: str | Mapping[str, Any]) -> None:
        """For every later payment that asks for nothing itself; an empty script ends it."""
        self.script("", script)

    def script(self, reference: str, script: str | Mapping[str, Any]) -> None:
        """For the payment or refund with this reference, before or after it arrives; beats what the request asks."""
        text = script_text(sandbox=script if isinstance(script, str) else dict(script), token=None)
        with self.book.transaction():
            self.book.set_script(reference, text)

    def approve(self, reference: str) -> str:
        """The payer approves. Answers the provider's state afterwards."""
        return self._decide(reference, is_approved=True)

    def decline(self, reference: str) -> str:
        return self._decide(reference, is_approved=False)

    def tick(self) -> int:
        """Plays what became due (``succeed_after`` and the like). Answers how many things moved."""
        return self.payments.settle_due() + self.refunds.settle_due() + self.disputes.settle_due()

    def take_callbacks(self) -> list[OutgoingNotice]:
        """The notices due now, in the order they would be sent, counted as delivered."""
        self.tick()
        claimed: list[OutgoingNotice] = []
        while batch := self.claim_notices(limit=500):
            for seq, notice in batch:
                self.end_notice(seq, outcome="delivered")
                claimed.append(notice)
        return claimed

    def claim_notices(self, *, limit: int) -> list[tuple[int, OutgoingNotice]]:
        """Leases due notices to one courier; the attempt is counted before it is made."""
        now = self.clock()
        with self.book.transaction():
            due = self.book.due_notices(now, limit=limit)
            for notice in due:
                self.book.change(
                    "UPDATE notice SET attempts = attempts + 1, due_at = ? WHERE seq = ?",
                    now + SENDING_LEASE_SECONDS,
                    notice.seq,
                )
        return [(notice.seq, self._outgoing(notice.url, notice.body, notice.is_forged)) for notice in due]

    def end_notice(self, seq: int, *, outcome: str) -> None:
        with self.book.transaction():
            self.book.change("UPDATE notice SET due_at = NULL, ended = ? WHERE seq = ?", outcome, seq)

    def retry_notice_later(self, seq: int) -> None:
        now = self.clock()
        with self.book.transaction():
            rows = self.book.rows("SELECT attempts FROM notice WHERE seq = ?", seq)
            wait_seconds = next_attempt_after(rows[0][0]) if rows else None
            if wait_seconds is None:
                self.book.change("UPDATE notice SET due_at = NULL, ended = 'gave_up' WHERE seq = ?", seq)
            else:
                self.book.change("UPDATE notice SET due_at = ? WHERE seq = ?", now + wait_seconds, seq)

    def _outgoing(self, url: str, body: bytes, is_forged: bool) -> OutgoingNotice:
        timestamp = int(self.signing_clock())
        secrets = (_FORGERS_KEY,) if is_forged else self.secrets
        header = sign(body, secrets=secrets, timestamp=timestamp)
        return url, {"Content-Type": "application/json", HEADER: header}, body

    def _decide(self, reference: str, *, is_approved: bool) -> str:
        with self.book.transaction():
            txn: Txn | None = self.book.find_txn(reference)
            keep = self.book.find_keep(reference)
        if txn is None and keep is not None:
            return self.keeps.decide(keep, is_approved=is_approved).state
        if txn is None:
            raise LookupError(reference)
        return self.payments.decide(txn, is_approved=is_approved).state
