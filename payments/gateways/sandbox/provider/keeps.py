"""Cards and bank accounts that the sandbox keeps for later charges: RIDES, WAITING, KEPT, DECLINED, GONE.

RIDES is one that comes with a payment: it is kept when the payment takes or holds money.
"""

import hashlib
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from payments.gateways.sandbox.provider.book import Book, Keep, Txn
from payments.gateways.sandbox.provider.faults import FAULTS_BEFORE_EFFECT, next_fault
from payments.gateways.sandbox.provider.notices import NoticeWriter
from payments.gateways.sandbox.provider.scripts import Script, ScriptRefused, parse_script, script_text
from payments.gateways.sandbox.provider.words import (
    Refusal,
    Reply,
    keep_words,
    read_address,
    read_reference,
    read_text,
)

METHODS = ("card", "redirect")
PAYER_DECLINED = "PAYER_SAID_NO"
NO_LONGER_KEPT = "NOT_KEPT"
NOT_PRESENT = "NOT_PRESENT"


@dataclass(frozen=True, slots=True)
class KeepDesk:
    book: Book
    notices: NoticeWriter
    clock: Callable[[], float]
    base_url: str

    def create(self, words: Mapping[str, Any]) -> Reply:
        """The same reference answers the same keep; another person's is refused."""
        wanted = self._read(words)
        with self.book.transaction():
            existing = self.book.find_keep(wanted.reference)
            wanted.script = self.book.script_for(wanted.reference, own=wanted.script, or_default=True)
            script = parse_script(existing.script if existing else wanted.script)
            fault = next_fault(self.book, script, operation="save", reference=wanted.reference)
            if fault in FAULTS_BEFORE_EFFECT:
                return Reply({}, fault)
            if existing is not None:
                if (existing.who, existing.via) != (wanted.who, wanted.via):
                    raise Refusal(409, "reference_used", "this reference names another keep")
                return self._reply(existing, fault)
            if script.needs_action or (script.outcome is None and wanted.via != "card"):
                self._change(wanted, state="WAITING", is_told=False)
            else:
                self._decide(wanted, script)
            return self._reply(wanted, fault)

    def fetch(self, reference: str) -> Reply:
        with self.book.transaction():
            keep = self.book.find_keep(reference)
            script = parse_script(self.book.script_for(reference, own=keep.script if keep else "", or_default=True))
            fault = next_fault(self.book, script, operation="fetch_saved", reference=reference)
            if fault in FAULTS_BEFORE_EFFECT:
                return Reply({}, fault)
            if keep is None or self.clock() < keep.created_at + script.hidden_seconds:
                raise Refusal(404, "no_such_reference", "nothing is kept under this reference")
            return self._reply(keep, fault)

    def forget(self, words: Mapping[str, Any]) -> Reply:
        """Never to be charged again. What was never kept, or is forgotten already, is forgotten."""
        token = read_text(words.get("kept"), name="kept")
        with self.book.transaction():
            keep = self.book.find_keep_by_token(token)
            if keep is None:
                return Reply({"kept": token, "state": "GONE"})
            script = parse_script(self.book.script_for(keep.reference, own=keep.script))
            fault = next_fault(self.book, script, operation="forget", reference=keep.reference)
            if fault in FAULTS_BEFORE_EFFECT:
                return Reply({}, fault)
            if keep.state != "GONE":
                self._change(keep, state="GONE", is_told=False)
            return Reply({"kept": token, "state": "GONE"}, fault)

    def end(self, reference: str) -> Reply:
        """The payer takes it back at the provider."""
        with self.book.transaction():
            keep = self.book.find_keep(reference)
            if keep is None:
                raise Refusal(404, "no_such_reference", "nothing is kept under this reference")
            if keep.state != "GONE":
                self._change(keep, state="GONE", why="ENDED_BY_PAYER")
            return self._reply(keep, "")

    def find_page(self, page_token: str) -> Keep | None:
        with self.book.transaction():
            return self.book.find_keep_by_page(page_token)

    def decide(self, keep: Keep, *, is_approved: bool) -> Keep:
        """The payer chose. A second choice changes nothing."""
        with self.book.transaction():
            current = self.book.find_keep(keep.reference)
            if current is None or current.state != "WAITING":
                return current or keep
            script = parse_script(self.book.script_for(current.reference, own=current.script))
            if is_approved:
                self._decide(current, script)
            else:
                self._change(current, state="DECLINED", why=PAYER_DECLINED)
            return current

    def _decide(self, keep: Keep, script: Script) -> None:
        if script.outcome == "decline":
            self._change(keep, state="DECLINED", why=script.decline_word)
        else:
            self._change(keep, state="KEPT")

    def _read(self, words: Mapping[str, Any]) -> Keep:
        try:
            text = script_text(sandbox=words.get("script"), token=words.get("token"))
        except ScriptRefused as refused:
            raise Refusal(400, "bad_script", str(refused)) from None
        via = words.get("via")
        if via not in METHODS:
            raise Refusal(400, "bad_field", f"via: one of {', '.join(METHODS)}")
        return new_keep(
            reference=read_reference(words.get("reference")),
            via=str(via),
            who=read_text(words.get("who"), name="who"),
            script=text,
            title=read_text(words.get("title"), name="title"),
            back_to=read_address(words.get("back_to"), name="back_to"),
            tell=read_address(words.get("tell"), name="tell"),
            now=self.clock(),
        )

    def _change(self, keep: Keep, *, state: str, why: str = "", is_told: bool = True) -> None:
        keep.state, keep.why, keep.changed_at = state, why, self.clock()
        self.book.save_keep(keep)
        if is_told:
            self.notices.keep_changed(keep, parse_script(keep.script), now=keep.changed_at)

    def _reply(self, keep: Keep, fault: str) -> Reply:
        return Reply(keep_words(keep, base_url=self.base_url), fault)


def new_keep(
    *, reference: str, via: str, who: str, script: str, title: str, back_to: str, tell: str, now: float
) -> Keep:
    """Not yet in the book. The same person's same card has the same ``card``."""
    return Keep(
        reference=reference,
        keep=f"kept_{secrets.token_hex(16)}",
        page_token=secrets.token_urlsafe(24),
        state="WAITING",
        via=via,
        who=who,
        card=hashlib.sha256(f"{via}:{who}:{script}".encode()).hexdigest(),
        title=title,
        back_to=back_to,
        tell=tell,
        script=script,
        created_at=now,
        changed_at=now,
    )


def ride_along(book: Book, txn: Txn, words: Mapping[str, Any]) -> None:
    """The payment asks for its card to be kept."""
    if words.get("keep") is not True or txn.via not in METHODS:
        return
    keep = new_keep(
        reference=txn.reference,
        via=txn.via,
        who=read_text(words.get("who"), name="who"),
        script=txn.script,
        title=txn.title,
        back_to="",
        tell="",
        now=txn.created_at,
    )
    keep.state = "RIDES"
    book.save_keep(keep)


def arrive(book: Book, txn: Txn, *, now: float) -> None:
    """The payment took or held money: what rides along is kept."""
    statement = "UPDATE keep SET state = 'KEPT', changed_at = ? WHERE reference = ? AND state = 'RIDES'"
    book.change(statement, now, txn.reference)


def script_of_charge(book: Book, words: Mapping[str, Any], *, own: str) -> str:
    """What a charge of something kept plays: what it asks for itself, else what was agreed when it was kept."""
    token = words.get("kept")
    if token is None:
        return own
    keep = book.find_keep_by_token(read_text(token, name="kept"))
    if keep is None or keep.state != "KEPT":
        return script_text(sandbox={"scenario": "decline", "code": NO_LONGER_KEPT}, token=None)
    if own:
        return own
    script = parse_script(keep.script)
    if script.later_decline_word:
        return script_text(sandbox={"scenario": "decline", "code": script.later_decline_word}, token=None)
    if script.absent_needs_proof and words.get("absent") is True:
        return script_text(sandbox={"scenario": "decline", "code": NOT_PRESENT}, token=None)
    return script_text(sandbox="require_action" if script.absent_needs_proof else "approve", token=None)
