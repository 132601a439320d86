"""What one operation of the client says, request by request, as bytes ready to send. Standard library and the sandbox's
signature only: the client must be cheap to start and cheaper to run."""

import json
import secrets
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass

from payments.gateways.sandbox.signature import HEADER, sign

Story = Generator[bytes, bytes, None]
"""Yields a request, is sent the answer's body."""


@dataclass(frozen=True)
class Scene:
    """Whom the client plays and where. ``account_id`` and ``gateway_secret``: for the provider's part."""

    host: str
    port: int
    api_key: str
    account_id: str
    gateway_secret: str
    story: str = "pay"
    connections: int = 8
    seconds: float = 6.0


def pay(scene: Scene) -> Callable[[], Story]:
    """One request: create the order and pay it."""
    details = {"currency": "USD", "amount_minor": 1999, "description": "Benchmark"}
    post = _api_post(scene, "/api/v1/payments", {"order_details": details, "method": "card"})

    def story() -> Story:
        body = yield post(b"")
        _require(b'"succeeded"' in body, body)

    return story


def flow(scene: Scene) -> Callable[[], Story]:
    """Three requests: create an order, pay it (the payer must act), the provider's signed callback."""
    details = {"currency": "USD", "amount_minor": 1999, "description": "Benchmark"}
    create = _api_post(scene, "/api/v1/orders", details)
    pay_path = "/api/v1/payments"

    def story() -> Story:
        order = json.loads((yield create(b"")))
        _require(order["status"] == "open", order)
        post = _api_post(scene, pay_path, {"order": order["id"], "method": "sandbox_redirect"})
        payment = json.loads((yield post(b"")))
        _require(payment["status"] == "requires_action", payment)
        yield _callback(scene, payment["id"])

    return story


STORIES = {"pay": pay, "flow": flow}


def _api_post(scene: Scene, path: str, document: object) -> Callable[[bytes], bytes]:
    body = json.dumps(document).encode()
    head = _head(scene, path, len(body)) + f"Authorization: Bearer {scene.api_key}\r\n".encode()
    prefix, counter = secrets.token_hex(8).encode(), iter(range(10**9))

    def build(_: bytes) -> bytes:
        return head + b"Idempotency-Key: %s-%d\r\n\r\n" % (prefix, next(counter)) + body

    return build


def _callback(scene: Scene, payment_id: str) -> bytes:
    at = round(time.time() * 1000)
    subject = {
        "reference": payment_id,
        "txn": f"txn_{secrets.token_hex(12)}",
        "state": "PAID",
        "sum": 1999,
        "coin": "USD",
        "taken": 1999,
        "held": 0,
        "given_back": 0,
        "fee": 88,
        "why": "",
        "at": at,
    }
    notice = {"notice": f"ntc_{secrets.token_hex(12)}", "kind": "txn.changed", "at": at, "subject": subject}
    body = json.dumps(notice).encode()
    signature = sign(body, secrets=[scene.gateway_secret], timestamp=int(time.time()))
    return _head(scene, f"/webhooks/{scene.account_id}", len(body)) + f"{HEADER}: {signature}\r\n\r\n".encode() + body


def _head(scene: Scene, path: str, length: int) -> bytes:
    """As the TLS-ending proxy in front of the server passes a request on."""
    return (
        f"POST {path} HTTP/1.1\r\nHost: {scene.host}:{scene.port}\r\nX-Forwarded-Proto: https\r\n"
        f"X-Forwarded-For: 203.0.113.7\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n"
    ).encode()


def _require(is_as_told: bool, answer: object) -> None:
    if not is_as_told:
        raise SystemExit(f"an answer that the story does not know: {answer!r}")
