"""The acts of the demo story. Each app brings its own in ``demo_acts.py`` and knows only the public API and itself."""

from collections.abc import Callable
from dataclasses import dataclass

from django.utils.module_loading import autodiscover_modules

from paycore.demo.stage import Stage

Play = Callable[[Stage], None]


@dataclass(frozen=True)
class Act:
    order: int
    name: str
    title: str
    play: Play


_acts: dict[str, Act] = {}


def act(*, order: int, name: str, title: str) -> Callable[[Play], Play]:
    """Register a function as an act; acts are played by ``order``."""

    def register(play: Play) -> Play:
        _acts[name] = Act(order, name, title, play)
        return play

    return register


def all_acts() -> list[Act]:
    autodiscover_modules("demo_acts")
    return sorted(_acts.values(), key=lambda found: found.order)
