"""Scripts: what the sandbox shall do with a payment. The table of scenarios is in docs/sandbox.md.

A script is written ``name``, ``name(argument)``, or several joined by ``+``; as JSON ``{"scenario": …}`` with default
arguments beside it (``code``, ``seconds``, ``count``, ``times``).
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any

MAX_SCRIPT_LENGTH = 1000
MAX_SECONDS = 90 * 24 * 3600
MAX_COUNT = 100

# The provider's own words for refusals, by the name a script calls them.
DECLINE_WORDS = {
    "card_declined": "REFUSED",
    "insufficient_funds": "NO_FUNDS",
    "expired_card": "OUT_OF_DATE",
    "lost_or_stolen": "STOPPED",
    "limit_exceeded": "OVER_LIMIT",
    "authentication_failed": "NOT_PROVEN",
    "suspected_fraud": "SUSPECT",
    "account_closed": "ACCOUNT_GONE",
}

OPERATIONS = (
    "create", "fetch", "capture", "void", "close", "refund", "fetch_refund", "save", "fetch_saved", "forget",
    "fetch_dispute", "file", "answer", "concede",
)  # fmt: skip
FAULT_KINDS = (
    "timeout_before_effect",
    "timeout_after_effect",
    "error_5xx_before_effect",
    "error_5xx_after_effect",
    "torn_answer",
    "unsigned_answer",
    "unavailable",
    "reject",
)
# Without an argument these two hold for every call: a refusal that heals by itself would hide a blind repeat.
_PERMANENT_FAULTS = ("unavailable", "reject")
_FOR_EVER = 1_000_000_000


class ScriptRefused(Exception):
    """The script names nothing the sandbox can play."""


@dataclass(frozen=True, slots=True)
class Fault:
    kind: str
    times: int


@dataclass(frozen=True, slots=True)
class Script:
    """``outcome`` None: the method decides (cards approve at once, the others wait for the payer)."""

    outcome: str | None = None
    needs_action: bool = False
    decline_word: str = "REFUSED"
    settles_after_seconds: float = 0.0
    revives_after_seconds: float = 0.0
    hidden_seconds: float = 0.0
    callback_style: str = "normal"
    callback_copies: int = 1
    callback_delay_seconds: float = 0.0
    sends_forgery: bool = False
    refund_outcome: str = "approve"
    refund_settles_after_seconds: float = 0.0
    later_decline_word: str = ""
    absent_needs_proof: bool = False
    dispute_reason: str = ""
    dispute_is_early: bool = False
    dispute_decision: str = ""
    statement_errors: Mapping[str, int] = field(default_factory=dict)
    faults: Mapping[str, Fault] = field(default_factory=dict)


PLAIN_SCRIPT = Script()


@dataclass(frozen=True, slots=True)
class _Scenario:
    argument: str
    default: str
    changes: Callable[[str], dict[str, Any]]


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        raise ScriptRefused(f"not a number of seconds: {text!r}") from None
    if not 0 <= seconds <= MAX_SECONDS:
        raise ScriptRefused(f"seconds must be from 0 to {MAX_SECONDS}")
    return seconds


def _count(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 4 and 1 <= int(text) <= MAX_COUNT):
        raise ScriptRefused(f"not a count from 1 to {MAX_COUNT}: {text!r}")
    return int(text)


def _word(code: str) -> str:
    """An unlisted code becomes an unlisted word, which is how adapters are tried with words they do not know."""
    if not re.fullmatch(r"[A-Za-z_]{1,40}", code):
        raise ScriptRefused(f"not a decline code: {code!r}")
    return DECLINE_WORDS.get(code, code.upper())


def _reason(code: str) -> str:
    if not re.fullmatch(r"[a-z_]{1,40}", code):
        raise ScriptRefused(f"not a reason for a dispute: {code!r}")
    return code


def _side(text: str) -> str:
    if text not in ("shop", "payer"):
        raise ScriptRefused(f"a dispute is decided for the shop or the payer, not {text!r}")
    return text


def _decline_after(text: str) -> dict[str, Any]:
    return {"outcome": "decline", "settles_after_seconds": _seconds(text)}


_SCENARIOS: dict[str, _Scenario] = {
    "approve": _Scenario("", "", lambda _: {"outcome": "approve"}),
    "decline": _Scenario("code", "card_declined", lambda a: {"outcome": "decline", "decline_word": _word(a)}),
    "require_action": _Scenario("", "", lambda _: {"needs_action": True}),
    "succeed_after": _Scenario("seconds", "5", lambda a: {"outcome": "approve", "settles_after_seconds": _seconds(a)}),
    "decline_after": _Scenario("seconds", "5", _decline_after),
    "decline_then_succeed": _Scenario(
        "seconds", "5", lambda a: {"outcome": "decline", "revives_after_seconds": _seconds(a) or 0.001}
    ),
    "unlisted_state": _Scenario("", "", lambda _: {"outcome": "unlisted_state"}),
    "not_found_for": _Scenario("seconds", "5", lambda a: {"hidden_seconds": _seconds(a)}),
    "duplicate_callbacks": _Scenario("count", "3", lambda a: {"callback_copies": _count(a)}),
    "late_callback": _Scenario("seconds", "5", lambda a: {"callback_delay_seconds": _seconds(a)}),
    "out_of_order_callbacks": _Scenario("", "", lambda _: {"callback_style": "out_of_order"}),
    "wrong_amount_callback": _Scenario("", "", lambda _: {"callback_style": "wrong_amount"}),
    "wrong_currency_callback": _Scenario("", "", lambda _: {"callback_style": "wrong_currency"}),
    "no_callback": _Scenario("", "", lambda _: {"callback_style": "none"}),
    "forged_callback": _Scenario("", "", lambda _: {"sends_forgery": True}),
    "refund_decline": _Scenario("", "", lambda _: {"refund_outcome": "decline"}),
    "refund_pending_then_success": _Scenario(
        "seconds", "5", lambda a: {"refund_outcome": "approve", "refund_settles_after_seconds": _seconds(a)}
    ),
    "later_decline": _Scenario("code", "card_declined", lambda a: {"later_decline_word": _word(a)}),
    "absent_needs_proof": _Scenario("", "", lambda _: {"absent_needs_proof": True}),
    "dispute": _Scenario("code", "fraudulent", lambda a: {"dispute_reason": _reason(a), "dispute_is_early": False}),
    "dispute_warning": _Scenario(
        "code", "fraudulent", lambda a: {"dispute_reason": _reason(a), "dispute_is_early": True}
    ),
    "dispute_decided_for": _Scenario("code", "shop", lambda a: {"dispute_decision": _side(a)}),
    "refund_pending_then_decline": _Scenario(
        "seconds", "5", lambda a: {"refund_outcome": "decline", "refund_settles_after_seconds": _seconds(a)}
    ),
}

STATEMENT_ERRORS = {
    "statement_missing": 0,
    "statement_wrong_amount": 10,
    "statement_wrong_fee": 5,
    "statement_duplicate": 0,
    "statement_wrong_currency": 0,
    "statement_other_reference": 0,
}
"""What the statement gets wrong about a payment that has this in its script, and by how many minor units."""

_ARGUMENTS = {"code", "seconds", "count", "times"}
_PART = re.compile(r"([a-z0-9_]+)(?:\(([A-Za-z0-9_.]*)\))?")


def script_text(*, sandbox: object, token: object, must_prove: bool = False) -> str:
    """The canonical text of what a request asks for; empty when it asks for nothing. With ``must_prove`` the payer is
    asked first, whatever else the script says."""
    if sandbox:
        if isinstance(sandbox, str):
            sandbox = {"scenario": sandbox}
        if not isinstance(sandbox, dict):
            raise ScriptRefused("a script is a text or an object")
    elif token:
        sandbox = {"scenario": _scenario_of_token(token)}
    elif not must_prove:
        return ""
    else:
        sandbox = {}
    if must_prove:
        sandbox = {**sandbox, "scenario": f"{sandbox.get('scenario', 'approve')}+require_action"}
    text = json.dumps(sandbox, sort_keys=True)
    if len(text) > MAX_SCRIPT_LENGTH:
        raise ScriptRefused("the script is too long")
    parse_script(text)
    return text


def _scenario_of_token(token: object) -> str:
    if not isinstance(token, str) or not token.startswith("tok_"):
        raise ScriptRefused("sandbox tokens begin with tok_")
    scenario = token.removeprefix("tok_")
    code = scenario.removeprefix("decline_")
    return f"decline({code})" if code in DECLINE_WORDS else scenario


@lru_cache(maxsize=1024)
def parse_script(text: str) -> Script:
    """``text`` as :func:`script_text` wrote it. Raises :class:`ScriptRefused`."""
    if not text:
        return PLAIN_SCRIPT
    given = json.loads(text)
    scenario = given.pop("scenario", "approve")
    if not isinstance(scenario, str) or set(given) - _ARGUMENTS:
        raise ScriptRefused("a script has a scenario (text) and any of code, seconds, count, times")
    defaults = {name: str(value) for name, value in given.items()}
    script = PLAIN_SCRIPT
    for part in scenario.split("+"):
        match = _PART.fullmatch(part.strip())
        if match is None:
            raise ScriptRefused(f"not a scenario: {part!r}")
        script = _apply(script, name=match[1], argument=match[2] or "", defaults=defaults)
    return script


def _apply(script: Script, *, name: str, argument: str, defaults: Mapping[str, str]) -> Script:
    scenario = _SCENARIOS.get(name)
    if scenario is not None:
        value = argument or defaults.get(scenario.argument, scenario.default)
        return replace(script, **scenario.changes(value))
    if name in STATEMENT_ERRORS:
        size = _count(argument) if argument else STATEMENT_ERRORS[name]
        return replace(script, statement_errors={**script.statement_errors, name: size})
    operation, kind = _fault_named(name)
    times = argument or defaults.get("times", str(_FOR_EVER if kind in _PERMANENT_FAULTS else 1))
    fault = Fault(kind, _FOR_EVER if times == str(_FOR_EVER) else _count(times))
    return replace(script, faults={**script.faults, operation: fault})


def _fault_named(name: str) -> tuple[str, str]:
    if name in FAULT_KINDS:
        return "create", name
    # The longest operation first: "fetch_refund_…" is no fault of "fetch".
    for operation in sorted(OPERATIONS, key=len, reverse=True):
        kind = name.removeprefix(f"{operation}_")
        if kind != name and kind in FAULT_KINDS:
            return operation, kind
    raise ScriptRefused(f"no such scenario: {name!r}")
