"""What lies between an adapter and its provider's simulator: faults on demand, and a process that dies in the call.

A fault waits for the next call of its kind. A killed process had no use for an answer, so after a kill the fault waits
for whatever is asked next.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from payments.gateways.contract import GatewayOutcomeUnknown, GatewayUnavailable, HttpRequest, HttpResponse

BEFORE_SENT, AFTER_ANSWER, NEVER = "before_sent", "after_answer", "never"
KILLS = (BEFORE_SENT, AFTER_ANSWER, NEVER)
ANYTHING = "*"

HTML = b"<html><head><title>502 Bad Gateway</title></head><body>nginx</body></html>"
_PAGE = {"Content-Type": "text/html"}
FOREIGN = "pay_0aa0somebodyelses"
_OURS = frozenset({"reference", "out_trade_no", "out_refund_no", "out_request_no", "custom_id", "invoice_id"})
_AMOUNTS = frozenset(
    {"amount", "amount_received", "total", "refund", "payer_total", "total_amount", "refund_amount", "value"}
)


class Killed(BaseException):
    """Unwinds as a kill does: nobody in the product catches it, and every open transaction is rolled back."""


class Provider(Protocol):
    def __call__(self, request: HttpRequest) -> HttpResponse: ...

    def kind_of(self, request: HttpRequest) -> str:
        """``create``, ``query``, ``take``, ``close``, ``refund``, ``refund_query``; empty: what is not worth a cell."""

    def rewritten(self, response: HttpResponse, change: Callable[[Any], None]) -> HttpResponse:
        """A genuine answer that says something else: signed anew, where answers are signed."""

    def unsigned(self, response: HttpResponse) -> HttpResponse: ...

    def missigned(self, response: HttpResponse) -> HttpResponse: ...


REPLAYED = "replayed"
"""The request never arrives; what comes is a genuine, signed answer to an earlier one about another payment."""
SIGNATURE_FAULTS = ("unsigned", "missigned")
LYING_FAULTS = ("foreign", "wrong_amount")
FAULTS = (
    "refused",
    "timeout_before",
    "timeout_after",
    "broken_before",
    "broken_after",
    "torn",
    "html",
    *SIGNATURE_FAULTS,
    *LYING_FAULTS,
)


@dataclass
class Network:
    """An :data:`HttpTransport`. ``met`` are the faults and kills that befell a call: a cell that meets none proves
    nothing."""

    provider: Provider
    fault: tuple[str, str] | None = None
    kill: tuple[str, str] | None = None
    met: list[str] = field(default_factory=list)
    kept: dict[str, HttpResponse] = field(default_factory=dict)
    """By kind: the last genuine answer that came through, for ``replayed``."""
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def heal(self) -> None:
        self.fault = self.kill = None

    def plan(self, kind: str, *, fault: str, kill: str) -> None:
        self.met.clear()
        self.fault = (kind, fault)
        self.kill = (kind, kill) if kill != NEVER else None

    def __call__(self, request: HttpRequest) -> HttpResponse:
        kind = self.provider.kind_of(request)
        death, fault = self._fate(kind)
        if death == BEFORE_SENT:
            raise Killed
        if fault == REPLAYED:
            return self.kept[kind]
        if (instead := _before_effect(fault)) is not None:
            return instead
        response = self.provider(request)
        if death == AFTER_ANSWER:
            raise Killed
        if not fault:
            self.kept[kind] = response
        return self._after_effect(fault, response)

    def _fate(self, kind: str) -> tuple[str, str]:
        with self._lock:
            if not kind:
                return "", ""
            if self.kill is not None and self.kill[0] == kind:
                death, self.kill = self.kill[1], None
                self.met.append(death)
                if self.fault is not None:
                    self.fault = (ANYTHING, self.fault[1])
                return death, ""
            if self.fault is not None and self.fault[0] in (kind, ANYTHING):
                fault, self.fault = self.fault[1], None
                self.met.append(fault)
                return "", fault
            return "", ""

    def _after_effect(self, fault: str, response: HttpResponse) -> HttpResponse:
        if fault == "timeout_after":
            raise GatewayOutcomeUnknown("no answer in time", code="no_answer")
        spoils: dict[str, Callable[[HttpResponse], HttpResponse]] = {
            "broken_after": lambda _genuine: HttpResponse(502, _PAGE, HTML),
            "html": lambda _genuine: HttpResponse(200, _PAGE, HTML),
            "torn": lambda genuine: replace(genuine, body=genuine.body[: len(genuine.body) // 2]),
            "unsigned": self.provider.unsigned,
            "missigned": self.provider.missigned,
            "foreign": lambda genuine: self.provider.rewritten(genuine, speak_of_another),
            "wrong_amount": lambda genuine: self.provider.rewritten(genuine, name_another_amount),
        }
        return spoils[fault](response) if fault else response


def _before_effect(fault: str) -> HttpResponse | None:
    if fault == "refused":
        raise GatewayUnavailable("connection refused", code="not_reached")
    if fault == "timeout_before":
        raise GatewayOutcomeUnknown("no answer in time", code="no_answer")
    return HttpResponse(503, _PAGE, HTML) if fault == "broken_before" else None


def speak_of_another(words: Any) -> None:
    """Our numbers become somebody else's."""
    _change(words, _OURS, lambda _old: FOREIGN)


def name_another_amount(words: Any) -> None:
    _change(words, _AMOUNTS, lambda old: "0.01" if isinstance(old, str) else 1)


def _change(words: Any, names: frozenset[str], replaced: Callable[[Any], Any]) -> None:
    if isinstance(words, list):
        for entry in words:
            _change(entry, names, replaced)
    if not isinstance(words, dict):
        return
    for name, value in words.items():
        if name in names and isinstance(value, (int, str)) and not isinstance(value, bool):
            words[name] = replaced(value)
        else:
            _change(value, names, replaced)
