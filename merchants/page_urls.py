"""Below ``/merchant/``, before the console: pages for people who have no role yet."""

from django.urls import path

from merchants.pages import ApplyPage, InvitationPage
from paycore.sites import merchant_site
from paycore.sites.console import relax_policy

urlpatterns = [
    path("apply", relax_policy(ApplyPage.as_view(site=merchant_site)), name="merchant-apply"),
    path("invitation", relax_policy(InvitationPage.as_view(site=merchant_site)), name="merchant-invitation"),
]
