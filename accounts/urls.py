"""Below ``/api/v1/``, before allauth's own addresses."""

from django.urls import path

from accounts.consents.views import ConsentDocumentsView, ConsentsView, WithdrawConsentView
from accounts.kyc.views import IdentityView
from accounts.leaving.views import CloseAccountView, ErasureView
from accounts.personal_data.views import ExportFileView, ExportsView, ExportView
from accounts.signing_in.views import PasswordView
from accounts.views import MeView

urlpatterns = [
    path("me", MeView.as_view(), name="me"),
    path("me/kyc", IdentityView.as_view(), name="me_identity"),
    path("me/consents", ConsentsView.as_view(), name="me_consents"),
    path("me/consents/withdraw", WithdrawConsentView.as_view(), name="me_consents_withdraw"),
    path("me/exports", ExportsView.as_view(), name="me_exports"),
    path("me/exports/<str:export_id>", ExportView.as_view(), name="me_export"),
    path("me/exports/<str:export_id>/file", ExportFileView.as_view(), name="me_export_file"),
    path("me/close", CloseAccountView.as_view(), name="me_close"),
    path("me/erasure", ErasureView.as_view(), name="me_erasure"),
    path("consent-documents", ConsentDocumentsView.as_view(), name="consent_documents"),
    path("me/password", PasswordView.as_view(), name="me_password"),
]
