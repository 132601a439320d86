"""Limits, rules, lists, the journal of decisions, ratings, and cases that a person must decide."""

from riskcontrol.models.cases import Case
from riskcontrol.models.decisions import Decision, Hit, Outcome
from riskcontrol.models.limits import PaymentLimit, Usage
from riskcontrol.models.lists import ListEntry, RiskList
from riskcontrol.models.ratings import Rating
from riskcontrol.models.rules import Action, Rule, RuleVersion

__all__ = [
    "Action",
    "Case",
    "Decision",
    "Hit",
    "ListEntry",
    "Outcome",
    "PaymentLimit",
    "Rating",
    "RiskList",
    "Rule",
    "RuleVersion",
    "Usage",
]
