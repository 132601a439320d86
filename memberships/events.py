"""What memberships tells."""

from dataclasses import dataclass
from typing import Any, ClassVar

from paycore.events import Event


@dataclass(frozen=True)
class MembershipChanged(Event):
    """``subject_id`` is the subscription or grant that changed, ``why`` what happened to it (``started``, ``renewed``,
    ``past_due``, …), ``state`` the subject as the API shows it (:mod:`memberships.subscriptions.presentation`)."""

    name: ClassVar[str] = "membership.changed"
    subject_id: str
    user_id: str
    why: str
    state: dict[str, Any]


@dataclass(frozen=True)
class StoreNoticeReceived(Event):
    """A store told something that was verified and stored, and is to be believed next."""

    name: ClassVar[str] = "store.notice_received"
    notice_id: str


@dataclass(frozen=True)
class RightsNotTold(Event):
    """Rights changed while Redis could not be told (:mod:`memberships.catalogue.freshness`); ``user_ids`` is ``["*"]``
    for everybody's."""

    name: ClassVar[str] = "rights.not_told"
    id: str
    user_ids: list[str]
