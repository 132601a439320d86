import pytest

from paycore.states import IllegalTransition, StateTable

DOOR = StateTable(
    name="door",
    initial="closed",
    transitions={"closed": ("open", "broken"), "open": ("closed",)},
    final=frozenset({"broken"}),
)


def test_states_are_those_that_transitions_name_in_their_order() -> None:
    assert DOOR.states == ("closed", "open", "broken")


@pytest.mark.parametrize(("source", "target", "allowed"), [
    ("closed", "open", True), ("open", "closed", True), ("closed", "closed", False), ("open", "broken", False),
    ("broken", "open", False), ("nowhere", "open", False),
])  # fmt: skip
def test_only_what_the_table_names_is_allowed(source: str, target: str, allowed: bool) -> None:
    assert DOOR.allows(source, target) == allowed
    if allowed:
        DOOR.require(source, target)
        return
    with pytest.raises(IllegalTransition) as refused:
        DOOR.require(source, target)
    assert refused.value.extra == {"object": "door", "source": source, "target": target}


def test_the_trigger_and_the_picture_hold_every_arrow() -> None:
    trigger = DOOR.trigger()
    assert trigger.name == "door_states"
    assert trigger.field == "status"
    assert set(trigger.transitions) == {("closed", "open"), ("closed", "broken"), ("open", "closed")}
    assert DOOR.mermaid().splitlines() == [
        "stateDiagram-v2", "    [*] --> closed", "    closed --> open", "    closed --> broken", "    open --> closed",
        "    broken --> [*]",
    ]  # fmt: skip
