"""`/ops/api/routing/…`: staff's programs try a rule set on the past, by a console's session (two steps, CSRF)."""

from typing import Any

from django.utils.translation import gettext_lazy as _
from rest_framework import serializers
from rest_framework.authentication import SessionAuthentication
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from paycore.errors import NotFound
from paycore.fields import StrictCharField, StrictIntegerField, StrictSerializer
from paycore.sites import ops_site
from payments.routing.models import RoutingRuleSet, RoutingTrial
from payments.routing.trials import MOST_DAYS, advance_trial, begin_trial, progress_percent

AT_ONCE_SECONDS = 1.5


class MaySimulate(BasePermission):
    """Staff who passed both steps and may try rules."""

    message = _("Only staff who may try rule sets can do this.")

    def has_permission(self, request: Request, view: APIView) -> bool:
        return ops_site.has_permission(request._request) and bool(request.user.has_perm("payments.add_routingtrial"))


class SimulationBody(StrictSerializer):
    rule_set = StrictCharField(max_length=40)
    days = StrictIntegerField(min_value=1, max_value=MOST_DAYS, default=30)


class _OpsView(APIView):
    authentication_classes = [SessionAuthentication]
    permission_classes = [MaySimulate]
    serializer_class = serializers.Serializer


class RoutingSimulateView(_OpsView):
    """Begins a trial and works on it for a moment: 200 when that was enough, else 202, and its address tells more."""

    def post(self, request: Request) -> Response:
        body = SimulationBody.check(request.data)
        rule_set = RoutingRuleSet.objects.filter(id=body["rule_set"]).first()
        if rule_set is None:
            raise NotFound(pointer="/rule_set")
        trial = begin_trial(rule_set, days=body["days"], asked_by_id=str(request.user.pk))
        trial = advance_trial(trial.id, seconds=AT_ONCE_SECONDS)
        is_running = trial.status == RoutingTrial.Status.RUNNING
        return Response(trial_document(trial), status=202 if is_running else 200)


class RoutingSimulationView(_OpsView):
    def get(self, request: Request, trial_id: str) -> Response:
        trial = RoutingTrial.objects.filter(id=trial_id).first()
        if trial is None:
            raise NotFound
        return Response(trial_document(trial))


def trial_document(trial: RoutingTrial) -> dict[str, Any]:
    """``now`` is by the active rules, ``draft`` by the ones tried; amounts in minor units by currency."""
    return {
        "id": trial.id,
        "object": "routing_simulation",
        "rule_set": trial.rule_set_id,
        "days": trial.days,
        "status": trial.status,
        "progress_percent": progress_percent(trial),
        "payments": trial.looked_at,
        "moved": trial.state.get("moved", 0),
        "now": _side(trial.state.get("now", {})),
        "draft": _side(trial.state.get("draft", {})),
    }


def _side(side: dict[str, Any]) -> dict[str, Any]:
    accounts = [
        {
            "account": account_id,
            "payments": tally["payments"],
            "amounts": tally["amounts"],
            "expected_fees": tally["fees"],
            "expected_successes": round(tally["success_per_mille"] / 1000, 1),
            "limit_reached": tally["limit_reached"],
        }
        for account_id, tally in sorted(side.get("accounts", {}).items())
    ]
    return {"accounts": accounts, "taken_by_nobody": side.get("nowhere", 0)}
