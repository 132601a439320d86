"""A state machine is a table: one drives the code, the database's trigger, the admin's labels and the docs' picture."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import pgtrigger
from django.utils.translation import gettext_lazy as _

from paycore.errors import Conflict


class IllegalTransition(Conflict):
    code: ClassVar[str] = "illegal_transition"
    title = _("The object cannot move from its present state to the one asked for.")


@dataclass(frozen=True)
class StateTable:
    """``transitions`` maps a state to the states that may follow it; ``final`` ones need no further work.

    A final state may still have successors (a late success is real money); it is final in that nobody waits for it.
    """

    name: str
    initial: str
    transitions: Mapping[str, tuple[str, ...]]
    final: frozenset[str]

    @cached_property
    def states(self) -> tuple[str, ...]:
        seen = dict.fromkeys(self.transitions)
        for targets in self.transitions.values():
            seen.update(dict.fromkeys(targets))
        return tuple(seen)

    def allows(self, source: str, target: str) -> bool:
        return target in self.transitions.get(source, ())

    def require(self, source: str, target: str) -> None:
        if not self.allows(source, target):
            raise IllegalTransition(object=self.name, source=source, target=target)

    def trigger(self) -> pgtrigger.FSM:
        """Refuses every other change of ``status``, from raw SQL and bulk updates as well."""
        pairs = [(source, target) for source, targets in self.transitions.items() for target in targets]
        return pgtrigger.FSM(name=f"{self.name}_states", field="status", transitions=pairs)

    def mermaid(self) -> str:
        """The picture for the documentation (Mermaid ``stateDiagram-v2``)."""
        lines = ["stateDiagram-v2", f"    [*] --> {self.initial}"]
        lines += [f"    {a} --> {b}" for a, targets in self.transitions.items() for b in targets]
        lines += [f"    {state} --> [*]" for state in sorted(self.final)]
        return "\n".join(lines)
