"""The addresses of disputes: the shop's under /v1/disputes, and those that play the world."""

import re
from collections.abc import Callable

from payments.gateways.sandbox.provider.core import SandboxProvider
from payments.gateways.sandbox.provider.dispute_pages import OPENINGS, dispute_page
from payments.gateways.sandbox.provider.requests import Answer, ProviderRequest, form_of, page_answer
from payments.gateways.sandbox.provider.words import Refusal, Reply, read_words

Handler = Callable[[SandboxProvider, ProviderRequest, str], Reply]
_REFERENCE = r"(?P<reference>[^/]+)"


def _fetch(provider: SandboxProvider, _: ProviderRequest, dispute: str) -> Reply:
    return provider.disputes.fetch(dispute)


def _add_file(provider: SandboxProvider, request: ProviderRequest, dispute: str) -> Reply:
    digest = request.path.rpartition("/")[2]
    content_type = request.headers.get("content-type", "")
    return provider.disputes.add_file(dispute, digest=digest, content_type=content_type, body=request.body)


def _answer(provider: SandboxProvider, request: ProviderRequest, dispute: str) -> Reply:
    return provider.disputes.answer(dispute, read_words(request.body))


def _concede(provider: SandboxProvider, _: ProviderRequest, dispute: str) -> Reply:
    return provider.disputes.concede(dispute)


def _open(provider: SandboxProvider, request: ProviderRequest, reference: str) -> Reply:
    return provider.disputes.open(reference, read_words(request.body))


def _move(provider: SandboxProvider, request: ProviderRequest, dispute: str) -> Reply:
    return provider.disputes.move(dispute, to=str(read_words(request.body).get("to", "")))


ROUTES: list[tuple[re.Pattern[str], dict[str, Handler]]] = [
    (re.compile(rf"/v1/disputes/{_REFERENCE}"), {"GET": _fetch}),
    (re.compile(rf"/v1/disputes/{_REFERENCE}/files/[0-9a-f]{{64}}"), {"PUT": _add_file}),
    (re.compile(rf"/v1/disputes/{_REFERENCE}/answer"), {"POST": _answer}),
    (re.compile(rf"/v1/disputes/{_REFERENCE}/concede"), {"POST": _concede}),
    (re.compile(rf"/v1/control/payments/{_REFERENCE}/disputes"), {"POST": _open}),
    (re.compile(rf"/v1/control/disputes/{_REFERENCE}"), {"POST": _move}),
]


def respond_dispute_page(provider: SandboxProvider, request: ProviderRequest, *, language: str) -> Answer | None:
    """None: there is no such payment, or nothing was taken. A move that does not fit the state changes nothing."""
    txn = provider.payments.find_page(request.path.removeprefix("/dispute/"))
    if txn is None or not txn.taken:
        return None
    if request.method == "POST":
        _play(provider, txn.reference, move=form_of(request.body.decode("latin-1")).get("move", ""))
        return Answer(303, {"Location": f"{request.path}?lang={language}", "Cache-Control": "no-store"}, b"")
    newest = next(iter(provider.disputes.of_payment(txn.reference)), None)
    return page_answer(200, dispute_page(txn, newest, language=language))


def _play(provider: SandboxProvider, reference: str, *, move: str) -> None:
    known = provider.disputes.of_payment(reference)
    try:
        if known:
            provider.disputes.move(known[0].dispute, to=move)
        elif move in OPENINGS:
            provider.disputes.open(reference, {"why": "fraudulent", "early": move == "alert"})
    except Refusal:
        return
