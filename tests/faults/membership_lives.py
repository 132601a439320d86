"""What a member will do and meet in 400 days, drawn from a seed and the member's number: the same in every run."""

import random
from dataclasses import dataclass, field

ZONES = (
    "UTC", "America/New_York", "Europe/Berlin", "Asia/Shanghai", "Australia/Lord_Howe", "America/Santiago",
    "Asia/Kathmandu", "Pacific/Apia", "Africa/Casablanca",
)  # fmt: skip
CURRENCIES = ("USD", "USD", "JPY", "EUR")
TERMS = (("day", 10), ("week", 1), ("month", 1), ("quarter", 1), ("year", 1))
_LIKELIHOOD = (4, 10, 60, 14, 12)
CODES = (
    "insufficient_funds", "insufficient_funds", "card_declined", "limit_exceeded", "expired_card", "lost_or_stolen",
    "suspected_fraud",
)  # fmt: skip
WISHES = (
    "upgrade", "upgrade", "downgrade", "rhythm", "cancel_later", "cancel_later", "cancel_now", "pause", "pause_long",
    "forget_change", "new_card",
)  # fmt: skip
JOINING_DAYS = 33
LAST_DAY = 400


@dataclass(frozen=True, slots=True)
class Spell:
    """From ``first`` to ``last`` (days) the card answers ``code``; then a new card comes, or it works again, or (with
    neither) it never does."""

    first: int
    last: int
    code: str
    ends: str


@dataclass(frozen=True, slots=True)
class Life:
    number: int
    zone: str
    country: str
    currency: str
    plan: str
    interval: str
    joins_on: int
    second_of_day: int
    start: str
    coupon: str
    wishes: dict[int, str] = field(default_factory=dict)
    spells: tuple[Spell, ...] = ()
    shut_days: frozenset[int] = frozenset()


def life_of(number: int, *, seed: str) -> Life:
    dice = random.Random(f"{seed}:{number}")
    joins_on = dice.randrange(JOINING_DAYS)
    interval = dice.choices([name for name, _count in TERMS], _LIKELIHOOD)[0]
    return Life(
        number=number,
        zone=dice.choice(ZONES),
        country=dice.choice(("DE", "US", "")),
        currency=dice.choice(CURRENCIES),
        plan=dice.choice(("premium", "premium", "platinum")),
        interval=interval,
        joins_on=joins_on,
        second_of_day=number % 3000,
        start=dice.choices(("paid", "trial", "scheduled"), (70, 20, 10))[0],
        coupon=dice.choices(("", "HALF", "WEEKFREE"), (75, 20, 5))[0],
        wishes=_wishes(dice, after=joins_on),
        spells=tuple(_spells(dice, after=joins_on)),
        shut_days=frozenset(dice.sample(range(joins_on + 2, LAST_DAY), dice.choice((0, 4, 20)))),
    )


def _wishes(dice: random.Random, *, after: int) -> dict[int, str]:
    """``pause`` is taken back by the member some days later, a cancel sometimes."""
    wishes: dict[int, str] = {}
    for _number in range(dice.choice((0, 0, 1, 2, 3, 5))):
        day = dice.randrange(after + 2, LAST_DAY)
        wish = dice.choice(WISHES)
        wishes[day] = wish
        if wish == "pause":
            wishes[day + dice.randrange(1, 40)] = "unpause"
        if wish == "cancel_later" and dice.random() < 0.6:
            wishes[day + dice.randrange(1, 5)] = "resume"
        if wish in ("cancel_now", "cancel_later") and dice.random() < 0.5:
            wishes[day + dice.randrange(40, 90)] = "come_back"
    return {day: wish for day, wish in wishes.items() if day < LAST_DAY}


def _spells(dice: random.Random, *, after: int) -> list[Spell]:
    spells = []
    for _number in range(dice.choice((0, 0, 0, 1, 1, 2))):
        first = dice.randrange(after + 1, LAST_DAY)
        last = first + dice.choice((1, 2, 4, 9, 25))
        spells.append(Spell(first, last, dice.choice(CODES), dice.choice(("new_card", "mended", "never"))))
    return spells
