"""Payments at the sandbox: WAITING, WORKING, HELD, PAID, DECLINED, SHUT."""

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from payments.gateways.sandbox.provider.book import Book, Take, Txn
from payments.gateways.sandbox.provider.dispute_words import reason_word
from payments.gateways.sandbox.provider.disputes import open_contest
from payments.gateways.sandbox.provider.faults import FAULTS_BEFORE_EFFECT, next_fault
from payments.gateways.sandbox.provider.keeps import arrive, ride_along, script_of_charge
from payments.gateways.sandbox.provider.notices import NoticeWriter
from payments.gateways.sandbox.provider.scripts import Script, ScriptRefused, parse_script, script_text
from payments.gateways.sandbox.provider.words import (
    Refusal,
    Reply,
    read_address,
    read_amount,
    read_coin,
    read_method,
    read_reference,
    read_text,
    read_time,
    txn_words,
)

SHUT_BEFORE_ARRIVAL = "NEVER_ARRIVED"
PAYER_DECLINED = "PAYER_SAID_NO"


def fee_on(amount: int) -> int:
    """2.9 % (half up) and 30 minor units for each take, never more than the take."""
    return min(amount, (amount * 290 + 5_000) // 10_000 + 30)


@dataclass(frozen=True, slots=True)
class PaymentDesk:
    book: Book
    notices: NoticeWriter
    clock: Callable[[], float]
    base_url: str

    def create(self, words: Mapping[str, Any]) -> Reply:
        """The same reference answers the same payment; with another sum or method it is refused."""
        now = self.clock()
        order = self._read_order(words, now=now)
        with self.book.transaction():
            existing = self.book.find_txn(order.reference)
            order.script = script_of_charge(self.book, words, own=order.script)
            order.script = self.book.script_for(order.reference, own=order.script, or_default=True)
            script = parse_script(existing.script if existing and existing.via else order.script)
            fault = next_fault(self.book, script, operation="create", reference=order.reference)
            if fault in FAULTS_BEFORE_EFFECT:
                return Reply({}, fault)
            if existing is not None:
                return self._repeat(existing, order, fault=fault, now=now)
            ride_along(self.book, order, words)
            self._begin(order, script, now=now)
            if script.sends_forgery:
                self.notices.payment_forged(order, now=now)
            return self._reply(order, fault)

    def fetch(self, reference: str) -> Reply:
        with self.book.transaction():
            fault, txn, script = self._find(reference, operation="fetch")
            if fault in FAULTS_BEFORE_EFFECT:
                return Reply({}, fault)
            if txn is None or self.clock() < txn.created_at + script.hidden_seconds:
                raise Refusal(404, "no_such_reference", "there is no payment under this reference")
            return self._reply(txn, fault)

    def capture(self, reference: str, words: Mapping[str, Any]) -> Reply:
        """Takes more of what is held; ``take`` is the name that makes it happen once."""
        capture_reference = read_reference(words.get("take"), name="take")
        amount, coin, now = read_amount(words.get("sum")), read_coin(words.get("coin")), self.clock()
        with self.book.transaction():
            fault, txn, script = self._find(reference, operation="capture")
            if fault in FAULTS_BEFORE_EFFECT:
                return Reply({}, fault)
            txn = self._known(txn)
            earlier = self.book.find_take(reference, capture_reference=capture_reference)
            if earlier is not None:
                if (earlier.amount, txn.coin) != (amount, coin):
                    raise Refusal(409, "take_differs", "this take was used for something else")
                return self._reply(txn, fault)
            if txn.coin != coin:
                raise Refusal(422, "coin_differs", f"the payment is in {txn.coin}")
            if not txn.held:
                raise Refusal(422, "nothing_held", f"the payment is {txn.state}")
            if amount > txn.held:
                raise Refusal(422, "more_than_held", f"{txn.held} is held")
            self._take(txn, script, amount=amount, capture_reference=capture_reference, now=now)
            return self._reply(txn, fault)

    def void(self, reference: str) -> Reply:
        """Lets go of what is held. What was taken stays taken."""
        with self.book.transaction():
            fault, txn, script = self._find(reference, operation="void")
            if fault in FAULTS_BEFORE_EFFECT:
                return Reply({}, fault)
            txn = self._known(txn)
            if txn.held:
                txn.is_released = 1
                self._changed(txn, script, state="PAID" if txn.taken else "SHUT", now=self.clock())
            elif not (txn.is_released or txn.state == "SHUT"):
                raise Refusal(422, "nothing_held", f"the payment is {txn.state}")
            return self._reply(txn, fault)

    def close(self, reference: str) -> Reply:
        """An unpaid payment will never be paid; one that never arrived is refused for ever."""
        now = self.clock()
        with self.book.transaction():
            fault, txn, script = self._find(reference, operation="close")
            if fault in FAULTS_BEFORE_EFFECT:
                return Reply({}, fault)
            if txn is None:
                txn = _tombstone(reference, now=now)
                self.book.save_txn(txn)
            elif txn.state == "WAITING":
                self._changed(txn, script, state="SHUT", now=now)
            elif txn.state == "DECLINED":
                txn.settles_at = None
                self.book.save_txn(txn)
            return self._reply(txn, fault)

    def find_page(self, page_token: str) -> Txn | None:
        """What the payer's page shows."""
        with self.book.transaction():
            txn = self.book.find_txn_by_page(page_token)
            return txn and self._up_to_date(txn)

    def decide(self, txn: Txn, *, is_approved: bool) -> Txn:
        """The payer chose. A second choice, or one that comes too late, changes nothing."""
        now = self.clock()
        with self.book.transaction():
            current = self._up_to_date(self._known(self.book.find_txn(txn.reference)))
            if current.state != "WAITING":
                return current
            script = self._script_of(current)
            if is_approved:
                self._process(current, script, now=now)
            else:
                current.why = PAYER_DECLINED
                self._changed(current, script, state="DECLINED", now=now)
            return current

    def settle_due(self, *, limit: int = 200) -> int:
        """Plays what was to happen later. Answers how many payments moved."""
        with self.book.transaction():
            due = self.book.due_txns(self.clock(), limit=limit)
            for txn in due:
                self._up_to_date(txn)
            return len(due)

    def _read_order(self, words: Mapping[str, Any], *, now: float) -> Txn:
        try:
            must_prove = words.get("prove") is True
            text = script_text(sandbox=words.get("script"), token=words.get("token"), must_prove=must_prove)
        except ScriptRefused as refused:
            raise Refusal(400, "bad_script", str(refused)) from None
        return Txn(
            reference=read_reference(words.get("reference")),
            txn=f"stx_{secrets.token_hex(12)}",
            page_token=secrets.token_urlsafe(24),
            state="WAITING",
            amount=read_amount(words.get("sum")),
            coin=read_coin(words.get("coin")),
            via=read_method(words.get("via")),
            take_now=0 if words.get("take_now") is False else 1,
            title=read_text(words.get("title"), name="title"),
            shop_order=read_text(words.get("shop_order"), name="shop_order"),
            back_to=read_address(words.get("back_to"), name="back_to"),
            tell=read_address(words.get("tell"), name="tell"),
            good_until=read_time(words.get("good_until"), name="good_until"),
            script=text,
            created_at=now,
            changed_at=now,
        )

    def _repeat(self, existing: Txn, order: Txn, *, fault: str, now: float) -> Reply:
        if not existing.via:
            raise Refusal(409, "shut", "this reference was closed before the payment arrived")
        if any(getattr(existing, name) != getattr(order, name) for name in ("amount", "coin", "via", "take_now")):
            raise Refusal(409, "reference_used", "this reference names another payment")
        return self._reply(self._up_to_date(existing), fault)

    def _begin(self, txn: Txn, script: Script, *, now: float) -> None:
        waits_for_payer = script.needs_action or (script.outcome is None and txn.via != "card")
        if script.outcome == "unlisted_state" or waits_for_payer:
            txn.state = "PONDERING" if script.outcome == "unlisted_state" else "WAITING"
            self.book.save_txn(txn)
        else:
            self._process(txn, script, now=now)

    def _process(self, txn: Txn, script: Script, *, now: float) -> None:
        if script.settles_after_seconds:
            txn.state, txn.changed_at = "WORKING", now
            txn.settles_at = now + script.settles_after_seconds
            txn.settles_to = "DECLINED" if script.outcome == "decline" else "PAID"
            self.book.save_txn(txn)
        else:
            self._reach(txn, script, outcome="DECLINED" if script.outcome == "decline" else "PAID", now=now)

    def _reach(self, txn: Txn, script: Script, *, outcome: str, now: float) -> None:
        txn.settles_at, txn.settles_to, txn.why = None, "", ""
        if outcome == "DECLINED":
            txn.why = script.decline_word
            if script.revives_after_seconds:
                txn.settles_at, txn.settles_to = now + script.revives_after_seconds, "PAID"
        elif not txn.take_now:
            outcome = "HELD"
        else:
            self._take(txn, script, amount=txn.amount, capture_reference=txn.reference, now=now)
            return
        self._changed(txn, script, state=outcome, now=now)

    def _take(self, txn: Txn, script: Script, *, amount: int, capture_reference: str, now: float) -> None:
        take = Take(capture_reference, txn.reference, amount, fee_on(amount), now)
        txn.taken += amount
        txn.fee += take.fee
        self._changed(txn, script, state="PAID", now=now)
        self.book.add_take(take)
        if script.dispute_reason and txn.taken == amount:
            self._be_contested(txn, script, now=now)

    def _be_contested(self, txn: Txn, script: Script, *, now: float) -> None:
        """The payer disputes what was just taken."""
        why, is_early = reason_word(script.dispute_reason), script.dispute_is_early
        contest = open_contest(self.book, txn, why=why, amount=txn.taken, is_early=is_early, now=now)
        self.notices.dispute_changed(contest, script, now=now)

    def _changed(self, txn: Txn, script: Script, *, state: str, now: float) -> None:
        txn.state, txn.changed_at = state, now
        self.book.save_txn(txn)
        if state in ("HELD", "PAID"):
            arrive(self.book, txn, now=now)
        self.notices.payment_changed(txn, script, now=now)

    def _find(self, reference: str, *, operation: str) -> tuple[str, Txn | None, Script]:
        txn = self.book.find_txn(reference)
        if txn is not None:
            script = self._script_of(txn)
        else:
            script = parse_script(self.book.script_for(reference, or_default=True))
        fault = next_fault(self.book, script, operation=operation, reference=reference)
        return fault, txn and self._up_to_date(txn), script

    def _script_of(self, txn: Txn) -> Script:
        return parse_script(self.book.script_for(txn.reference, own=txn.script))

    def _up_to_date(self, txn: Txn) -> Txn:
        now = self.clock()
        if txn.settles_at is not None and txn.settles_at <= now:
            self._reach(txn, self._script_of(txn), outcome=txn.settles_to, now=now)
        elif txn.state == "WAITING" and txn.good_until is not None and txn.good_until <= now:
            txn.why = "LAPSED"
            self._changed(txn, self._script_of(txn), state="SHUT", now=now)
        return txn

    def _known(self, txn: Txn | None) -> Txn:
        if txn is None or not txn.via:
            raise Refusal(404, "no_such_reference", "there is no payment under this reference")
        return txn

    def _reply(self, txn: Txn, fault: str) -> Reply:
        return Reply(txn_words(txn, base_url=self.base_url, keep=self.book.find_keep(txn.reference)), fault)


def _tombstone(reference: str, *, now: float) -> Txn:
    return Txn(
        reference=reference,
        txn=f"stx_{secrets.token_hex(12)}",
        page_token=secrets.token_urlsafe(24),
        state="SHUT",
        amount=0,
        coin="",
        via="",
        take_now=1,
        title="",
        shop_order="",
        back_to="",
        tell="",
        good_until=None,
        script="",
        created_at=now,
        changed_at=now,
        why=SHUT_BEFORE_ARRIVAL,
    )
