"""Below ``/api/v1/``, before allauth's own addresses."""

from django.urls import path

from accounts.views import MeView, not_offered

urlpatterns = [
    path("me", MeView.as_view(), name="me"),
    # allauth routes these whether or not phone numbers are in use.
    path("auth/app/v1/account/phone", not_offered),
    path("auth/app/v1/auth/phone/verify", not_offered),
    path("auth/app/v1/auth/phone/verify/resend", not_offered),
]
