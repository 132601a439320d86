"""``manage.py list_errors``: every code that the API may answer, as the text of ``docs/errors.md``."""

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from django.core.management.base import BaseCommand
from django.db import OperationalError
from django.utils import translation
from rest_framework import exceptions as drf

from paycore.errors import PaycoreError
from paycore.management.project_modules import project_modules
from paycore.problems import problem_of

_INTRODUCTION = """\
# Errors

Written by `manage.py list_errors`, which reads the code; do not edit by hand: `manage.py list_errors > docs/errors.md`.

Every refusal and failure is an RFC 9457 document, `application/problem+json`: `type`, `title`, `status`, `code`,
`detail`, `instance`, `request_id` and `errors[]` (`code`, `detail` and `pointer`, an RFC 6901 pointer into the body you
sent). Programs decide by `code`, which is stable; `title` and `detail` are for people, in the language of
`Accept-Language`. Some add facts of their own, such as `refundable_minor`. Only sign-in (`/api/v1/auth/`) answers in
allauth's shape: `{"status": 400, "errors": [{"message", "code", "param"}]}`.

| status | what it means for you |
|---|---|
| any other 4xx | nothing was changed, and the `Idempotency-Key` is not used up; repair the request |
| 409 with `Retry-After`, 429, 503 | not now: the same again, with the same key, after `Retry-After` seconds |
| 500, or no answer at all | unknown to you, not to us: send the same request with the same `Idempotency-Key` |
"""


class Command(BaseCommand):
    help = "Prints every error code with its HTTP status and title, as Markdown."
    requires_system_checks = ()

    def handle(self, *args: Any, **options: Any) -> None:
        with translation.override("en"):
            self.stdout.write(errors_page(), ending="")


def errors_page() -> str:
    """The text of ``docs/errors.md`` in the active language."""
    sections = [
        _INTRODUCTION,
        "## Refusals, by what raises them\n",
        _table(_refusals(), source="raised in"),
        "## What the edge answers\n",
        _table(_edge(), source="when"),
    ]
    return "\n".join(sections)


def error_types() -> list[type[PaycoreError]]:
    """Every kind of refusal in the project, each once."""
    for _module in project_modules():
        pass  # importing it is enough: its classes are then known to their base
    return sorted(_below(PaycoreError), key=lambda kind: (kind.code, kind.__module__, kind.__qualname__))


def _below(kind: type[PaycoreError]) -> set[type[PaycoreError]]:
    children = set(kind.__subclasses__())
    return children.union(*(_below(child) for child in children))


def _refusals() -> Iterator[tuple[str, int, str, str]]:
    for kind in error_types():
        yield kind.code, kind.http_status, str(kind.title), f"`{kind.__module__}`"


def _edge() -> Iterator[tuple[str, int, str, str]]:
    """What becomes of the errors of Django, DRF and PostgreSQL."""
    cases: list[tuple[BaseException, str]] = [
        (drf.ValidationError(), "a field is not as described; `errors[]` says which"),
        (drf.ParseError(), "the request cannot be read"),
        (drf.NotAuthenticated(), "no token"),
        (drf.AuthenticationFailed(), "a token or key that is not valid, any more"),
        (drf.PermissionDenied(), "this kind of caller may not do this"),
        (drf.NotFound(), "no such address, or not yours"),
        (drf.MethodNotAllowed("PUT"), "the address knows other methods; see `Allow`"),
        (drf.NotAcceptable(), "`Accept` rules out JSON"),
        (drf.Throttled(wait=1), "too many requests; see `RateLimit` and `Retry-After`"),
        (RuntimeError(), "a bug on our side; it was logged with the `request_id`"),
        (OperationalError(), "the database does not answer"),
    ]
    for error, occasion in cases:
        problem = problem_of(error)
        yield problem.code, problem.status, str(problem.title), occasion


def _table(rows: Iterator[tuple[str, int, str, str]], *, source: str) -> str:
    by_code: defaultdict[tuple[str, int], tuple[list[str], list[str]]] = defaultdict(lambda: ([], []))
    for code, status, title, where in rows:
        titles, places = by_code[code, status]
        titles.append(title)
        places.append(where)
    lines = [f"| code | status | title | {source} |", "|---|---|---|---|"]
    for (code, status), (titles, places) in by_code.items():
        said = " / ".join(dict.fromkeys(titles))
        lines.append(f"| `{code}` | {status} | {said} | {', '.join(dict.fromkeys(places))} |")
    return "\n".join(lines) + "\n"
