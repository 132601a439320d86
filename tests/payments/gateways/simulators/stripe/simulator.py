"""The simulated Stripe as a transport: routes, keys that make a request happen once, lists, and faults on demand."""

import json
import re
import threading
import time
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from payments.gateways.contract import GatewayOutcomeUnknown, GatewayUnavailable, HttpRequest, HttpResponse
from tests.payments.gateways.simulators.stripe.book import API_VERSION, Book
from tests.payments.gateways.simulators.stripe.desk import Desk
from tests.payments.gateways.simulators.stripe.intents import Intents
from tests.payments.gateways.simulators.stripe.objects import Object
from tests.payments.gateways.simulators.stripe.problems import Problem, key_reused

HTML = b"<html><head><title>502 Bad Gateway</title></head><body>nginx</body></html>"
_LISTS = {
    "/v1/refunds": "refund",
    "/v1/setup_intents": "setup_intent",
    "/v1/reporting/report_runs": "reporting.report_run",
}
_QUERY = re.compile(r"metadata\['(\w+)'\]:'([^']*)'")


@dataclass
class StripeSimulator:
    """``trouble[reference]`` befalls the next POST whose metadata names that reference, once; ``"*"`` any request."""

    secret_key: str = "sk_test_simulated"
    webhook_secret: str = "whsec_simulated"
    clock: Callable[[], float] = time.time
    trouble: dict[str, str] = field(default_factory=dict)
    index_lag_seconds: float = 0.0
    unlisted_state: set[str] = field(default_factory=set)
    seen: list[HttpRequest] = field(default_factory=list)
    spoil: Callable[[Object], None] | None = None
    """Changes every good answer before it leaves, for answers that lie."""

    def __post_init__(self) -> None:
        self.book = Book(clock=self.clock, secret=self.webhook_secret)
        self.intents = Intents(self.book)
        self.desk = Desk(self.book)
        self._kept: dict[str, tuple[str, int, bytes]] = {}
        self._lock = threading.RLock()

    # --- the payer's and the bank's hands ---------------------------------------------------------------------

    def intent(self, reference: str) -> Object:
        kinds = self.book.all_of("payment_intent") + self.book.all_of("setup_intent")
        return next(thing for thing in kinds if thing["metadata"].get("reference") == reference)

    def pay_in_sheet(self, reference: str, card: str = "pm_card_visa") -> None:
        """The payer confirms with the client secret; a declined card leaves the sheet open."""
        with self._lock:
            intent = self.intent(reference)
            try:
                self.intents.confirm(intent, card)
                if intent["status"] == "requires_action":
                    self.intents.prove(intent, is_proven=True)
            except Problem:
                return

    def prove(self, reference: str, *, is_proven: bool = True) -> None:
        with self._lock:
            self.intents.prove(self.intent(reference), is_proven=is_proven)

    def charge_of(self, reference: str) -> Object:
        return self.book.get(self.intent(reference)["latest_charge"], "charge")

    def take_callbacks(self) -> list[tuple[dict[str, str], bytes]]:
        with self._lock:
            told, self.book.events = self.book.events, []
            return told

    # --- the API ----------------------------------------------------------------------------------------------

    def __call__(self, request: HttpRequest) -> HttpResponse:
        with self._lock:
            self.seen.append(request)
            path, said = _read(request)
            reference = str(said.get("metadata", {}).get("reference", "")) if request.method == "POST" else ""
            fault = self.trouble.pop(reference, "") or self.trouble.pop("*", "")
            if fault.endswith("before_effect") or fault in _WITHOUT_EFFECT:
                return _befall(fault, None)
            response = self._answer(request, path, said, fault=fault)
            return _befall(fault, response) if fault else response

    def _answer(self, request: HttpRequest, path: str, said: Object, *, fault: str) -> HttpResponse:
        headers = {name.lower(): value for name, value in request.headers.items()}
        if headers.get("authorization") != f"Bearer {self.secret_key}":
            return _error(Problem(401, "", "Invalid API Key provided"))
        key, what = headers.get("idempotency-key", ""), f"{path} {sorted(said.items())}"
        if key in self._kept:
            return self._repeated(key, what)
        try:
            thing = self._route(request, path, said)
        except Problem as problem:
            response = _error(problem)
            if key and problem.is_kept:
                self._kept[key] = (what, response.status, response.body)
            return response
        if isinstance(thing, bytes):
            return HttpResponse(200, {"Content-Type": "text/csv"}, thing)
        body = json.dumps(self._shown(thing, said.get("expand", [])), indent=2).encode()
        if key and request.method == "POST":
            broken = (500, _error(Problem(500, "", "An unknown error occurred")).body)
            self._kept[key] = (what, *(broken if fault == "stored_500" else (200, body)))
        return _json(200, body)

    def _repeated(self, key: str, what: str) -> HttpResponse:
        """The first answer again, whatever has become of the thing since."""
        kept_what, status, body = self._kept[key]
        if kept_what != what:
            return _error(key_reused())
        return _json(status, body, {"Idempotent-Replayed": "true", "Original-Request": "req_sim"})

    def _shown(self, thing: Object, expand: list[str]) -> Object:
        shown = self.book.expanded(thing, expand)
        if thing.get("metadata", {}).get("reference") in self.unlisted_state:
            shown["status"] = "requires_reflection"
        if self.spoil is not None:
            self.spoil(shown)
        return shown

    def _route(self, request: HttpRequest, path: str, said: Object) -> Any:
        if request.method == "GET":
            return self._get(path, said)
        if path == "/v1/files":
            return self.desk.store_file(**_multipart(request))
        makers: dict[str, Callable[[Object], Object]] = {
            "/v1/payment_intents": self.intents.create,
            "/v1/setup_intents": self.intents.create_setup,
            "/v1/refunds": self.intents.refund,
            "/v1/customers": self._create_customer,
            "/v1/customer_sessions": self._create_customer_session,
            "/v1/ephemeral_keys": lambda said: self._create_ephemeral_key(request, said),
            "/v1/reporting/report_runs": self.desk.run_report,
        }
        if path in makers:
            return makers[path](said)
        _, _, kind, identifier, *verb = path.split("/")
        return self._change(kind, identifier, verb[0] if verb else "", said)

    def _change(self, kind: str, identifier: str, verb: str, said: Object) -> Object:
        thing = self.book.get(identifier, kind.removesuffix("s"))
        verbs: dict[tuple[str, str], Callable[[], Object]] = {
            ("payment_intents", "capture"): lambda: self.intents.capture(thing, said),
            ("payment_intents", "cancel"): lambda: self.intents.cancel(thing, said),
            ("setup_intents", "cancel"): lambda: self.intents.cancel(thing, said),
            ("payment_methods", "detach"): lambda: self._detach(thing),
            ("disputes", ""): lambda: self.desk.answer_dispute(thing, said),
            ("disputes", "close"): lambda: self.desk.end_dispute(thing, "lost"),
        }
        return verbs[kind, verb]()

    def _get(self, path: str, said: Object) -> Any:
        if path == "/v1/account":
            dashboard = {"display_name": "Simulated shop", "timezone": "Etc/UTC"}
            return {"id": "acct_sim", "object": "account", "settings": {"dashboard": dashboard}}
        if path == "/v1/payment_intents/search":
            return self._search(said)
        if path in _LISTS:
            return self._list(_LISTS[path], path, said)
        if path.startswith("/v1/reporting/report_types/"):
            end, kind = self.desk.data_available_end(), path.rpartition("/")[2]
            return {"id": kind, "object": "reporting.report_type", "data_available_end": end, "name": kind}
        if path.startswith("/v1/radar/early_fraud_warnings/"):
            return self.book.get(path.rpartition("/")[2], "radar.early_fraud_warning")
        _, _, kind, identifier, *verb = path.split("/")
        if verb == ["contents"]:
            self.book.get(identifier, "file")
            return self.desk.files[identifier]
        return self.book.get(identifier, kind.removesuffix("s"))

    def _search(self, said: Object) -> Object:
        match = _QUERY.fullmatch(said["query"])
        if match is None:
            raise Problem(400, "", "The query is not understood", param="query")
        name, value = match.groups()
        known_until = self.clock() - self.index_lag_seconds
        found = [
            intent
            for intent in self.book.all_of("payment_intent")
            if intent["metadata"].get(name) == value and intent["created"] <= known_until
        ]
        return {"object": "search_result", "data": [self._lie(intent) for intent in found], "has_more": False}

    def _lie(self, intent: Object) -> Object:
        if intent["metadata"].get("reference") in self.unlisted_state:
            return {**intent, "status": "requires_reflection"}
        return intent

    def _list(self, kind: str, path: str, said: Object) -> Object:
        found = self.book.all_of(kind)
        if "payment_intent" in said:
            found = [thing for thing in found if thing["payment_intent"] == said["payment_intent"]]
        if "created" in said:
            found = [thing for thing in found if thing["created"] >= int(said["created"]["gte"])]
        if "starting_after" in said:
            places = [thing["id"] for thing in found]
            found = found[places.index(said["starting_after"]) + 1 :]
        limit = int(said.get("limit", 10))
        return {"object": "list", "url": path, "data": deepcopy(found[:limit]), "has_more": len(found) > limit}

    def _create_customer(self, said: Object) -> Object:
        made = {"id": self.book.new_id("cus"), "object": "customer", "created": self.book.now, "livemode": False}
        return self.book.keep({**made, "metadata": said.get("metadata", {})})

    def _create_customer_session(self, said: Object) -> Object:
        self.book.get(said["customer"], "customer", param="customer")
        return {
            "object": "customer_session",
            "client_secret": f"cuss_secret_{said['customer']}",
            "created": self.book.now,
            "customer": said["customer"],
            "expires_at": self.book.now + 1800,
            "livemode": False,
        }

    def _create_ephemeral_key(self, request: HttpRequest, said: Object) -> Object:
        version = request.headers.get("Stripe-Version", "")
        if version == API_VERSION:
            raise Problem(400, "", "Pass the version of your mobile SDK in Stripe-Version")
        self.book.get(said["customer"], "customer", param="customer")
        made = {"id": self.book.new_id("ephkey"), "object": "ephemeral_key", "secret": f"ek_test_{version}"}
        return {**made, "created": self.book.now, "expires": self.book.now + 3600, "livemode": False}

    def _detach(self, method: Object) -> Object:
        if method["customer"] is None:
            raise Problem(400, "", "The payment method you provided is not attached to a customer.")
        method["customer"] = None
        return method


_WITHOUT_EFFECT = frozenset({"connection_refused", "rate_limited", "lock_timeout"})


def _befall(fault: str, response: HttpResponse | None) -> HttpResponse:
    if fault == "connection_refused":
        raise GatewayUnavailable("connection refused", code="not_reached")
    if fault.startswith("timeout"):
        raise GatewayOutcomeUnknown("no answer in time", code="no_answer")
    if fault in _ANSWERS:
        return _ANSWERS[fault]
    assert response is not None, fault
    if fault == "torn_answer":
        return HttpResponse(response.status, response.headers, response.body[: len(response.body) // 2])
    raise AssertionError(f"no such trouble: {fault}")


def _json(status: int, body: bytes, more: dict[str, str] | None = None) -> HttpResponse:
    headers = {"Content-Type": "application/json", "Request-Id": "req_sim", "Stripe-Version": API_VERSION}
    return HttpResponse(status, {**headers, **(more or {})}, body)


def _error(problem: Problem) -> HttpResponse:
    return _json(problem.status, json.dumps({"error": problem.error}, indent=2).encode())


def _read(request: HttpRequest) -> tuple[str, Object]:
    parts = urlsplit(request.url)
    kind = {name.lower(): value for name, value in request.headers.items()}.get("content-type", "")
    written = parts.query if request.method == "GET" else "" if "multipart" in kind else request.body.decode()
    return parts.path, unflattened(parse_qsl(written, keep_blank_values=True))


def unflattened(pairs: list[tuple[str, str]]) -> Object:
    """``a[b][0]=c`` → ``{"a": {"b": ["c"]}}``."""
    tree: Object = {}
    for name, value in pairs:
        steps = re.split(r"\]\[|\[", name.removesuffix("]"))
        holder = tree
        for step in steps[:-1]:
            holder = holder.setdefault(step, {})
        holder[steps[-1]] = value
    return {name: _listed(value) for name, value in tree.items()}


def _listed(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    value = {name: _listed(inner) for name, inner in value.items()}
    return list(value.values()) if value and all(name.isdigit() for name in value) else value


def _multipart(request: HttpRequest) -> dict[str, Any]:
    kind = next(value for name, value in request.headers.items() if name.lower() == "content-type")
    boundary = kind.partition("boundary=")[2].encode()
    found: dict[str, Any] = {}
    for part in request.body.split(b"--" + boundary)[1:-1]:
        head, _, body = part.partition(b"\r\n\r\n")
        name = re.search(rb' name="([^"]*)"', head)
        assert name is not None
        if filename := re.search(rb'filename="([^"]*)"', head):
            found |= {"name": filename[1].decode(), "body": body[:-2]}
        else:
            found[name[1].decode()] = body[:-2].decode()
    return found


_PAGE = {"Content-Type": "text/html"}
_ANSWERS = {
    "rate_limited": _error(Problem(429, "rate_limit", "Request rate limit exceeded.")),
    "lock_timeout": _error(Problem(429, "lock_timeout", "This object cannot be accessed right now.")),
    "stored_500": _error(Problem(500, "", "An unknown error occurred")),
    "error_5xx_before_effect": HttpResponse(502, _PAGE, HTML),
    "error_5xx_after_effect": HttpResponse(502, _PAGE, HTML),
    "html_200": HttpResponse(200, _PAGE, HTML),
}
