"""What the simulated Stripe remembers, and the little that everything in it needs."""

import hashlib
import hmac
import itertools
import json
from collections.abc import Callable
from copy import deepcopy
from typing import Any

from tests.payments.gateways.simulators.stripe import objects
from tests.payments.gateways.simulators.stripe.cards import CARDS, Card
from tests.payments.gateways.simulators.stripe.objects import Object
from tests.payments.gateways.simulators.stripe.problems import missing

API_VERSION = "2026-10-28.endive"


class Book:
    def __init__(self, *, clock: Callable[[], float], secret: str) -> None:
        self.clock = clock
        self.secret = secret
        self.things: dict[str, Object] = {}
        self.cards: dict[str, Card] = {}
        self.events: list[tuple[dict[str, str], bytes]] = []
        self._numbers = itertools.count(1)

    @property
    def now(self) -> int:
        return int(self.clock())

    def new_id(self, prefix: str) -> str:
        return f"{prefix}_{next(self._numbers):06d}Sim"

    def keep(self, thing: Object) -> Object:
        self.things[thing["id"]] = thing
        return thing

    def all_of(self, kind: str) -> list[Object]:
        """Newest first, as Stripe lists."""
        return [thing for thing in reversed(self.things.values()) if thing["object"] == kind]

    def get(self, identifier: str, kind: str, *, param: str = "id") -> Object:
        thing = self.things.get(identifier)
        if thing is None or thing["object"] != kind:
            raise missing(kind, identifier, param=param)
        return thing

    def method(self, identifier: str) -> Object:
        """Stripe's shared test methods become one of this account's when they are used."""
        if identifier not in CARDS:
            return self.get(identifier, "payment_method", param="payment_method")
        made = self.keep(objects.payment_method(self.new_id("pm"), CARDS[identifier], created=self.now))
        self.cards[made["id"]] = CARDS[identifier]
        return made

    def moved(self, source: str, *, amount: int, fee: int, currency: str, category: str) -> Object:
        kind = {"charge": "charge", "refund": "refund"}.get(category, "adjustment")
        return self.keep(
            objects.balance_transaction(
                self.new_id("txn"),
                amount=amount,
                fee=fee,
                currency=currency,
                source=source,
                type=kind,
                reporting_category=category,
                created=self.now,
            )
        )

    def tell(self, kind: str, subject: Object) -> None:
        event = objects.event(self.new_id("evt"), kind, deepcopy(subject), created=self.now, api_version=API_VERSION)
        body = json.dumps(event, indent=2).encode()
        self.events.append(({"Stripe-Signature": self.sign(body)}, body))

    def sign(self, body: bytes, *, at: int | None = None, secret: str = "") -> str:
        timestamp = self.now if at is None else at
        mac = hmac.new((secret or self.secret).encode(), f"{timestamp}.".encode() + body, hashlib.sha256)
        return f"t={timestamp},v1={mac.hexdigest()},v0={'0' * 64}"

    def expanded(self, thing: Object, paths: list[str]) -> Object:
        shown = deepcopy(thing)
        for path in paths:
            self._expand(shown, path.split("."))
        return shown

    def _expand(self, holder: Any, steps: list[str]) -> None:
        if isinstance(holder, list):
            for entry in holder:
                self._expand(entry, steps)
            return
        if not isinstance(holder, dict) or holder.get(steps[0]) is None:
            return
        value = holder[steps[0]]
        if isinstance(value, str) and value in self.things:
            holder[steps[0]] = value = deepcopy(self.things[value])
        if steps[1:]:
            self._expand(value, steps[1:])
