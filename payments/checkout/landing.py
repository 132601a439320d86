"""The first page: what runs where, and a payment to try."""

import json
from pathlib import Path
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from payments.checkout.demo import TEST_AMOUNT, create_test_session
from payments.checkout.languages import with_language_choice


@never_cache
@with_language_choice
@require_safe
def landing(request: HttpRequest) -> HttpResponse:
    demo = _demo() if settings.PAYCORE_SANDBOX_MODE else {}
    context = {
        "is_sandbox": settings.PAYCORE_SANDBOX_MODE,
        "sandbox_url": settings.PAYCORE_SANDBOX_URL,
        "test_amount": TEST_AMOUNT.format(request.LANGUAGE_CODE),
        "logins": _texts(demo.get("logins"), names=("who", "login", "password", "address")),
    }
    return render(request, "landing.html", context)


@require_POST
def try_payment(request: HttpRequest) -> HttpResponse:
    """A fresh test order and the page to pay it. 404 outside the sandbox."""
    session = create_test_session()
    response = HttpResponseRedirect(f"/pay/{session.id}")
    response.status_code = 303
    return response


def _demo() -> dict[str, Any]:
    """What the seed wrote down for this machine; empty before it ran."""
    try:
        found = json.loads((Path(settings.STATE_DIR) / "demo.json").read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _texts(rows: Any, *, names: tuple[str, ...]) -> list[dict[str, str]]:
    if not isinstance(rows, list):
        return []
    return [{name: str(row.get(name, "")) for name in names} for row in rows if isinstance(row, dict)]
