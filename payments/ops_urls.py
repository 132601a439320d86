"""Below ``/ops/api/``: for staff's programs, by a console's session."""

from django.urls import path

from payments.routing.views import RoutingSimulateView, RoutingSimulationView

urlpatterns = [
    path("routing/simulate", RoutingSimulateView.as_view(), name="ops-routing-simulate"),
    path("routing/simulations/<str:trial_id>", RoutingSimulationView.as_view(), name="ops-routing-simulation"),
]
