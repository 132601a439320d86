"""Who is one person: an account, a mail box, a card. Kept as keyed hashes only."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from accounts.models import User
from paycore.encryption import blind_index
from payments.promotions.models import KnownCard, RedemptionPerson

_DOTS_MEAN_NOTHING = {"gmail.com": "gmail.com", "googlemail.com": "gmail.com"}
_CONTEXT = "payments_redemptionperson.key"


@dataclass(frozen=True, slots=True)
class PersonKey:
    kind: RedemptionPerson.Kind
    key: bytes

    def as_row(self) -> dict[str, str]:
        return {"kind": self.kind.value, "key": self.key.hex()}


def unaliased(email: str) -> str:
    """The mail box behind an address: ``A.b+news@googlemail.com`` → ``ab@gmail.com``. Empty for no address."""
    name, at, domain = email.strip().casefold().rpartition("@")
    if not at or not name:
        return ""
    name = name.split("+", 1)[0] or name
    if domain in _DOTS_MEAN_NOTHING:
        name, domain = name.replace(".", "") or name, _DOTS_MEAN_NOTHING[domain]
    return f"{name}@{domain}"


def keys_of_user(user_id: str, *, email: str, card_fingerprint: str) -> list[PersonKey]:
    """The account, its mail box, and every card it has saved. ``card_fingerprint`` is the hex of a saved method's."""
    if not email:
        email = User.objects.filter(pk=user_id).values_list("email", flat=True).first() or ""
    cards = {bytes(key) for key in KnownCard.objects.filter(user_id=user_id).values_list("key", flat=True)}
    keys = [_key(RedemptionPerson.Kind.ACCOUNT, user_id), *mail_keys(email), *card_keys(card_fingerprint)]
    return keys + [PersonKey(RedemptionPerson.Kind.CARD, card) for card in cards if card.hex() != card_fingerprint]


def keys_of_customer(reference: str, *, merchant_id: str, email: str) -> list[PersonKey]:
    """A merchant's own customer, by the merchant's words."""
    account = [_key(RedemptionPerson.Kind.ACCOUNT, f"{merchant_id} {reference}")] if reference else []
    return [*account, *mail_keys(email)]


def mail_keys(email: str) -> list[PersonKey]:
    box = unaliased(email)
    return [_key(RedemptionPerson.Kind.MAIL, box)] if box else []


def card_keys(fingerprint: str) -> list[PersonKey]:
    return [PersonKey(RedemptionPerson.Kind.CARD, bytes.fromhex(fingerprint))] if fingerprint else []


def as_rows(keys: Sequence[PersonKey]) -> list[dict[str, str]]:
    return [key.as_row() for key in keys]


def from_rows(rows: Sequence[Mapping[str, str]]) -> list[PersonKey]:
    """What :func:`as_rows` made."""
    return [PersonKey(RedemptionPerson.Kind(row["kind"]), bytes.fromhex(row["key"])) for row in rows]


def _key(kind: RedemptionPerson.Kind, value: str) -> PersonKey:
    return PersonKey(kind, blind_index(f"{kind.value} {value}", context=_CONTEXT))
