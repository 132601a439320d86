"""Reading the environment. Each variable is explained in ``.env.example``."""

import os
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from django.core.exceptions import ImproperlyConfigured

BASE_DIR = Path(__file__).resolve().parent.parent.parent


def text(name: str, default: str = "") -> str:
    return os.environ.get(name, "").strip() or default


def required(name: str, why: str) -> str:
    """A production secret: the process refuses to start without it."""
    value = text(name)
    if not value:
        raise ImproperlyConfigured(f"{name} is not set: {why}. See .env.example.")
    return value


def number(name: str, default: int) -> int:
    value = text(name)
    if not value:
        return default
    try:
        return int(value)
    except ValueError:
        raise ImproperlyConfigured(f"{name} must be a whole number, not {value!r}.") from None


def flag(name: str, *, default: bool = False) -> bool:
    value = text(name).lower()
    if value in {"", "1", "true", "yes", "on", "0", "false", "no", "off"}:
        return default if not value else value in {"1", "true", "yes", "on"}
    raise ImproperlyConfigured(f"{name} must be yes or no, not {value!r}.")


def items(name: str, default: str = "") -> list[str]:
    return [part.strip() for part in text(name, default).split(",") if part.strip()]


SERVER_SETTINGS = {
    "lock_timeout": 2000,  # a request that waits longer is answered 503 and is safe to repeat
    "idle_in_transaction_session_timeout": 30_000,
    "statement_timeout": 30_000,
    "jit": "off",
    # Our SQL functions take short arrays: the planner would rather plan them anew each time than trust its guess.
    "plan_cache_mode": "force_generic_plan",
    # Every trigger asks for it. Where it is not set, the question fails and is caught: a subtransaction rolled back
    # each time, which looks through all constraints that wait for the commit.
    "pgtrigger.ignore": "{}",
}


def database(url: str) -> dict[str, Any]:
    """Django's database settings of ``postgres://user:password@host:port/name?sslmode=…``."""
    parts = urlsplit(url)
    if parts.scheme not in {"postgres", "postgresql"}:
        raise ImproperlyConfigured("DATABASE_URL must begin with postgres://; paycore runs on PostgreSQL only.")
    options = dict(pair.split("=", 1) for pair in parts.query.split("&") if "=" in pair)
    server = " ".join(f"-c {name}={value}" for name, value in SERVER_SETTINGS.items())
    return {
        "ENGINE": "django_prometheus.db.backends.postgresql" if flag("PAYCORE_QUERY_METRICS") else "paycore.postgresql",
        "NAME": unquote(parts.path.lstrip("/")),
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": parts.hostname or "",
        "PORT": str(parts.port or ""),
        "CONN_MAX_AGE": 600,
        "CONN_HEALTH_CHECKS": True,
        "OPTIONS": {**options, "options": server, "application_name": "paycore"},
        "TEST": {"NAME": f"test_{unquote(parts.path.lstrip('/'))}"},
    }


def mail(url: str) -> dict[str, Any]:
    """Django's mail settings of ``smtp://user:password@host:587`` (STARTTLS) or ``smtps://…:465``."""
    parts = urlsplit(url)
    if parts.scheme not in {"smtp", "smtps"}:
        raise ImproperlyConfigured("PAYCORE_MAIL_URL must begin with smtp:// or smtps://.")
    is_implicit = parts.scheme == "smtps"
    return {
        "EMAIL_HOST": parts.hostname or "localhost",
        "EMAIL_PORT": parts.port or (465 if is_implicit else 587),
        "EMAIL_HOST_USER": unquote(parts.username or ""),
        "EMAIL_HOST_PASSWORD": unquote(parts.password or ""),
        "EMAIL_USE_SSL": is_implicit,
        "EMAIL_USE_TLS": not is_implicit and "tls=no" not in parts.query,
    }
