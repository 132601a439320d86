"""Pages for people who are not signed in. Included at the root."""

from django.urls import path

from payments.checkout.code_views import AddCodeView, RemoveCodeView
from payments.checkout.landing import landing, try_payment
from payments.checkout.views import OtherWayView, PayView, StatusView

urlpatterns = [
    path("", landing, name="landing"),
    path("try", try_payment, name="try-payment"),
    path("pay/<str:session_id>", PayView.as_view(), name="pay"),
    path("pay/<str:session_id>/status", StatusView.as_view(), name="pay-status"),
    path("pay/<str:session_id>/code", AddCodeView.as_view(), name="pay-code"),
    path("pay/<str:session_id>/code/remove", RemoveCodeView.as_view(), name="pay-code-remove"),
    path("pay/<str:session_id>/other-way", OtherWayView.as_view(), name="pay-other-way"),
]
