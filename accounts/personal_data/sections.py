"""What is kept about a person, by the part of the project that keeps it.

Each app says in its ``personal_data.py`` (imported at start-up) how its part is shown, erased and held up::

    register_section(Section(name="orders", collect=collect, erase=erase, refuse=refuse, keeps=_("…")))
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise


@dataclass(frozen=True)
class Attachment:
    """A file of the archive: ``receipts/ord_01….html``."""

    path: str
    content: bytes


@dataclass(frozen=True)
class Collected:
    """``document`` is JSON; ``attachments`` are asked for one by one, so that they are never in memory together."""

    document: Mapping[str, Any]
    attachments: Iterable[Attachment] = ()


def _nothing_to_erase(user_id: str) -> None:
    return None


def _never_in_the_way(user_id: str) -> None:
    return None


def _no_warnings(user_id: str) -> Sequence[str]:
    return ()


@dataclass(frozen=True)
class Section:
    """One app's part. All functions take the user's id; ``erase`` runs inside the erasure's one transaction.

    ``refuse`` raises a :class:`~paycore.errors.PaycoreError` while the account cannot be closed or erased; ``warnings``
    names what the person loses and must confirm; ``keeps`` says what stays and which law wants it.
    """

    name: str
    collect: Callable[[str], Collected]
    erase: Callable[[str], None] = _nothing_to_erase
    refuse: Callable[[str], None] = _never_in_the_way
    warnings: Callable[[str], Sequence[str]] = _no_warnings
    keeps: "StrOrPromise" = ""


_sections: dict[str, Section] = {}


def register_section(section: Section) -> None:
    _sections[section.name] = section


def sections() -> list[Section]:
    return list(_sections.values())


def refuse_while_in_use(user_id: str) -> None:
    """Raises what the first app that still needs the account has to say."""
    for section in sections():
        section.refuse(user_id)


def warnings_about(user_id: str) -> list[str]:
    return [warning for section in sections() for warning in section.warnings(user_id)]


def what_is_kept() -> list[str]:
    """One sentence an app, in the language of the moment."""
    return [str(section.keeps) for section in sections() if section.keeps]
