"""The risk desk in ops: cases, limits, rules, lists, the journal of decisions, ratings."""

from riskcontrol.admin import cases, dashboard, decisions, limits, lists, ratings, rules
from riskcontrol.admin.dashboard import waiting_cases

__all__ = ["cases", "dashboard", "decisions", "limits", "lists", "ratings", "rules", "waiting_cases"]
