"""Google Play on one machine: purchases that a test or the demo moves through their life. It answers as
``purchases.subscriptionsv2`` does; state lives in this process."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from itertools import count
from typing import Any

from memberships.stores.google.play_api import PlayUnavailable, PurchaseUnknown


@dataclass
class SimulatedPurchase:
    """``state`` without its prefix (``ACTIVE``, ``IN_GRACE_PERIOD``, …)."""

    product: str
    starts_at: datetime
    ends_at: datetime
    order: str
    account_token: str = ""
    state: str = "ACTIVE"
    auto_renews: bool = True
    linked_token: str = ""
    is_test: bool = False
    is_acknowledged: bool = False
    renewals: int = 0

    def renew(self, *, until: datetime) -> None:
        base = self.order.partition("..")[0]
        self.order, self.ends_at, self.state = f"{base}..{self.renewals}", until, "ACTIVE"
        self.renewals += 1

    def as_answer(self) -> dict[str, Any]:
        answer: dict[str, Any] = {
            "kind": "androidpublisher#subscriptionPurchaseV2",
            "startTime": _written(self.starts_at),
            "subscriptionState": f"SUBSCRIPTION_STATE_{self.state}",
            "latestOrderId": self.order,
            "lineItems": [
                {
                    "productId": self.product,
                    "expiryTime": _written(self.ends_at),
                    "latestSuccessfulOrderId": self.order,
                    "autoRenewingPlan": {"autoRenewEnabled": True} if self.auto_renews else {},
                }
            ],
            "acknowledgementState": "ACKNOWLEDGEMENT_STATE_" + ("ACKNOWLEDGED" if self.is_acknowledged else "PENDING"),
        }
        if self.account_token:
            answer["externalAccountIdentifiers"] = {"obfuscatedExternalAccountId": self.account_token}
        if self.linked_token:
            answer["linkedPurchaseToken"] = self.linked_token
        if self.is_test:
            answer["testPurchase"] = {}
        return answer


@dataclass
class PlaySimulator:
    """A :class:`~memberships.stores.google.play_api.PlayApi`. ``is_down`` answers nothing."""

    purchases: dict[str, SimulatedPurchase] = field(default_factory=dict)
    is_down: bool = False
    acknowledged: list[str] = field(default_factory=list)
    asked: int = 0
    _orders: Any = field(default_factory=lambda: count(1000))

    def sell(self, token: str, product: str, *, starts_at: datetime, ends_at: datetime, **more: Any) -> None:
        order = f"GPA.3300-0000-0000-{next(self._orders)}"
        self.purchases[token] = SimulatedPurchase(product, starts_at, ends_at, order, **more)

    def get_subscription(self, package: str, token: str) -> Mapping[str, Any]:
        return self._find(token).as_answer()

    def acknowledge(self, package: str, product: str, token: str) -> None:
        self._find(token).is_acknowledged = True
        self.acknowledged.append(token)

    def _find(self, token: str) -> SimulatedPurchase:
        self.asked += 1
        if self.is_down:
            raise PlayUnavailable("simulated")
        if token not in self.purchases:
            raise PurchaseUnknown("simulated")
        return self.purchases[token]


def _written(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")
