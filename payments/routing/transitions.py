"""The states of a rule set and of a trial of one."""

from paycore.states import StateTable

RULE_SET = StateTable(
    name="routing_rule_set",
    initial="draft",
    transitions={"draft": ("active", "retired"), "active": ("retired",)},
    final=frozenset({"retired"}),
)

TRIAL = StateTable(
    name="routing_trial",
    initial="running",
    transitions={"running": ("done", "failed")},
    final=frozenset({"done", "failed"}),
)
