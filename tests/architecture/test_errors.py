"""Every refusal has a code of its own, and docs/ say what the code says."""

import io
import re
from importlib import import_module

import pytest
from django.core.management import call_command

from paycore.errors import PaycoreError
from tests.architecture.sources import APPS, ROOT, sources

IS_THEIR_PARENTS_WORD = {"BodyRefused": "MalformedJSON is what it means when nothing more is known"}


def errors() -> list[type[PaycoreError]]:
    for source in sources():
        if "PaycoreError" in source.text or "Conflict" in source.text or "NotFound" in source.text:
            import_module(source.path.removesuffix(".py").removesuffix("/__init__").replace("/", "."))
    found: list[type[PaycoreError]] = []
    waiting: list[type[PaycoreError]] = [PaycoreError]
    while waiting:
        children = waiting.pop().__subclasses__()
        found += children
        waiting += children
    return [error for error in found if error.__module__.split(".")[0] in APPS]


def test_every_refusal_has_a_code_of_its_own() -> None:
    by_code: dict[str, list[str]] = {}
    for error in errors():
        by_code.setdefault(error.code, []).append(error.__name__)
    shared = {code: names for code, names in by_code.items() if len(set(names) - set(IS_THEIR_PARENTS_WORD)) > 1}
    assert len(by_code) > 30
    assert not shared


@pytest.mark.parametrize("error", errors(), ids=lambda error: error.__name__)
def test_a_refusal_says_code_status_and_title(error: type[PaycoreError]) -> None:
    assert "code" in vars(error)
    assert re.fullmatch(r"[a-z]+(_[a-z0-9]+)*", error.code)
    assert 400 <= error.http_status < 600
    assert str(error.title) != str(PaycoreError.title)
    assert error().detail == ""


@pytest.mark.parametrize(("command", "page"), [("list_errors", "docs/errors.md"), ("draw_states", "docs/states.md")])
def test_a_written_page_is_what_its_command_writes_now(command: str, page: str) -> None:
    written = io.StringIO()
    call_command(command, stdout=written)
    assert (ROOT / page).read_text().strip() == written.getvalue().strip(), f"manage.py {command} > {page}"


def test_every_code_is_documented() -> None:
    page = (ROOT / "docs/errors.md").read_text()
    missing = sorted({error.code for error in errors() if f"`{error.code}`" not in page})
    assert not missing
