"""Structured logs: one line an event, one request id from web to worker, nothing in them that must not be kept.

Settings import this module, so it must not touch ``django.conf.settings`` while it loads. Log ids of people and
merchants, never their names or addresses; what slips through is redacted on the way out, tracebacks included.
"""

import logging
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache
from typing import Any

import structlog
from structlog.typing import EventDict, Processor

from paycore.card_numbers import redact_card_numbers

REMOVED = "[removed]"

_request_id: ContextVar[str] = ContextVar("paycore_request_id", default="")
"""Beside structlog's: every event asks for it, and theirs are found by copying all of them."""

_SECRET_KEY = re.compile(
    r"authori[sz]ation|password|passphrase|passwd|secret|credential|cookie|session_?key|private|signature|"
    r"(?:api|access|encryption|idempotency|signing)_?key|(?:^|_)(?:token|otp|totp|pan|cvv|cvc|cvv2|pin|iban|body|headers)(?:$|_)|"
    r"card_?number|e_?mail|phone|(?:first|last|full|real)_?name",
    re.IGNORECASE,
)
_SECRET_IN_TEXT = re.compile(
    r"(?P<scheme>\b(?:bearer|basic)\s+)[A-Za-z0-9._~+/=-]{8,}"
    r"|(?P<login>://[^\s:/@]{0,128}:)[^\s/@]{1,512}(?=@)"
    r"|\b(?:sk|rk|whsec|pk)_[A-Za-z0-9_+/=-]{12,}"
    r"|\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*"
    r"|-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----[^-]*(?:-----END [A-Z ]{0,40}-----)?"
    r"|(?P<mail>[A-Za-z0-9._%+-]{1,64}@(?:[A-Za-z0-9-]{1,63}\.){1,8}[A-Za-z]{2,24}\b)",
    re.IGNORECASE,
)
# What each alternative above needs, in lower case: most lines have none of it and skip the search.
_TRACES_OF_SECRETS = ("@", "://", "bearer", "basic", "sk_", "rk_", "pk_", "whsec_", "eyj", "-----begin")
_OUR_OWN_KEYS = frozenset({"timestamp", "level", "logger"})
_MAX_DEPTH = 6


def redact_text(text: str) -> str:
    """``text`` without card numbers, bearer tokens, passwords in addresses, keys and e-mail addresses."""
    text = redact_card_numbers(text)
    lowered = text.lower()
    if not any(trace in lowered for trace in _TRACES_OF_SECRETS):
        return text
    return _SECRET_IN_TEXT.sub(_kept_part, text)


@lru_cache(maxsize=2048)
def _is_telling(key: str) -> bool:
    return _SECRET_KEY.search(key) is not None


def _kept_part(match: re.Match[str]) -> str:
    return (match["scheme"] or match["login"] or "") + REMOVED


def redact_value(value: Any, *, key: str = "", depth: int = 0) -> Any:
    if key and value not in (None, "", True, False) and _is_telling(key):
        return REMOVED
    if isinstance(value, str):
        return redact_text(value)
    if value is None or isinstance(value, bool | float):
        return value
    if isinstance(value, int):
        return value if abs(value) < 10**11 else _redacted_integer(value)
    if depth >= _MAX_DEPTH:
        return REMOVED
    if isinstance(value, Mapping):
        return {str(name): redact_value(item, key=str(name), depth=depth + 1) for name, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [redact_value(item, depth=depth + 1) for item in value]
    return REMOVED if isinstance(value, bytes | bytearray | memoryview) else redact_text(str(value))


def _redacted_integer(value: int) -> Any:
    text = redact_card_numbers(str(value))
    return value if text == str(value) else text


def redact(_logger: Any, _method: str, event: EventDict) -> EventDict:
    """The last structlog processor before rendering."""
    return {
        key: value if key in _OUR_OWN_KEYS else redact_value(value, key="" if key == "event" else key)
        for key, value in event.items()
    }


def _without_record(_logger: Any, _method: str, event: EventDict) -> EventDict:
    event.pop("_record", None)
    event.pop("_from_structlog", None)
    return event


_SHARED: list[Processor] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_logger_name,
    structlog.stdlib.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
]

structlog.configure(
    processors=[structlog.stdlib.filter_by_level, *_SHARED, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
    logger_factory=structlog.stdlib.LoggerFactory(),
    wrapper_class=structlog.stdlib.BoundLogger,
    cache_logger_on_first_use=True,
)


def formatter(*, json: bool) -> structlog.stdlib.ProcessorFormatter:
    renderer: Processor = (
        structlog.processors.JSONRenderer(default=str, ensure_ascii=False)
        if json
        else structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback)
    )
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=_SHARED, processors=[_without_record, structlog.processors.format_exc_info, redact, renderer]
    )


def logging_settings(*, json: bool) -> dict[str, Any]:
    """Django's ``LOGGING``: everything to the standard error stream, as JSON lines or for a person's eyes."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"structured": {"()": "paycore.logs.formatter", "json": json}},
        "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "structured"}},
        "root": {"handlers": ["console"], "level": "INFO"},
        "loggers": {
            "django": {"handlers": [], "level": "INFO", "propagate": True},
            # Refusals are answered and counted; only failures are worth a second line.
            "django.request": {"level": "ERROR"},
            "django.security": {"level": "CRITICAL"},
            "django.server": {"handlers": [], "level": "WARNING", "propagate": True},
            "django_structlog": {"level": "WARNING"},
            "httpcore": {"level": "WARNING"},
        },
    }


def get_logger(name: str) -> structlog.stdlib.BoundLogger:
    logger: structlog.stdlib.BoundLogger = structlog.stdlib.get_logger(name)
    return logger


def current_request_id() -> str:
    """The id of the request or task this thread works for; empty outside one."""
    return _request_id.get()


def start_context(*, request_id: str) -> None:
    """Forgets the last request's context on this thread and begins one of its own."""
    structlog.contextvars.clear_contextvars()
    structlog.contextvars.bind_contextvars(request_id=request_id)
    _request_id.set(request_id)


def bind_ids(**ids: str) -> None:
    """Adds ids (``user_id``, ``merchant_id``, ``payment_id`` …) to every line of this request or task."""
    structlog.contextvars.bind_contextvars(**ids)


@contextmanager
def bound_request(*, request_id: str, **ids: str) -> Iterator[None]:
    """Inside, lines carry the id of the request that caused this work; after, the former context is back."""
    token = _request_id.set(request_id)
    try:
        with structlog.contextvars.bound_contextvars(request_id=request_id, **ids):
            yield
    finally:
        _request_id.reset(token)


def end_context() -> None:
    structlog.contextvars.clear_contextvars()
    _request_id.set("")


logging.captureWarnings(capture=True)
