from dataclasses import dataclass
from typing import ClassVar

from paycore.events import Event


@dataclass(frozen=True)
class MerchantStatusChanged(Event):
    name: ClassVar[str] = "merchant.status_changed"
    merchant_id: str
    status: str
