"""Below ``/api/v1/``."""

from django.urls import path

from memberships.views import EntitlementListView, MembershipOrderView, MembershipView, PlanListView

urlpatterns = [
    path("plans", PlanListView.as_view(), name="plans"),
    path("membership", MembershipView.as_view(), name="membership"),
    path("membership/orders", MembershipOrderView.as_view(), name="membership-orders"),
    path("entitlements", EntitlementListView.as_view(), name="entitlements"),
]
