"""A signed-in person for the tests of one's own data, and files to send."""

import uuid
from typing import Any

from django.contrib.sessions.models import Session
from django.core.files.uploadedfile import SimpleUploadedFile

from accounts.models import User
from tests.accounts.conftest import App

PNG = b"\x89PNG\r\n\x1a\n" + b"picture of a passport"
JPEG = b"\xff\xd8\xff\xe0" + b"picture of a passport"
PDF = b"%PDF-1.7 passport"


def file(content: bytes = PNG, *, name: str = "front.png", content_type: str = "image/png") -> SimpleUploadedFile:
    return SimpleUploadedFile(name, content, content_type=content_type)


def post(app: App, path: str, body: Any = None, *, key: str | None = None) -> Any:
    """A POST with a bearer and an Idempotency-Key of its own."""
    headers = {"Authorization": f"Bearer {app.access_token}", "Idempotency-Key": key or str(uuid.uuid4())}
    return app.client.post(f"/api/v1{path}", body or {}, content_type="application/json", headers=headers)


def send_identity(app: App, *, files: list[Any] | None = None, key: str | None = None, **more: Any) -> Any:
    fields = {"document_type": "passport", "country": "FR", "document_number": "12AB34567", **more}
    headers = {"Authorization": f"Bearer {app.access_token}", "Idempotency-Key": key or str(uuid.uuid4())}
    body = {**fields, "files": [file()] if files is None else files}
    return app.client.post("/api/v1/me/kyc", body, headers=headers)


def age_the_proof(app: App) -> None:
    """The sign-in was long ago: its session no longer counts as a recent proof."""
    for row in Session.objects.all():
        content = row.get_decoded()
        for record in content.get("account_authentication_methods", []):
            record["at"] = record["at"] - 3600
        row.session_data = Session.objects.encode(content)
        row.save()


def level_of(user: User) -> int:
    return User.objects.values_list("kyc_level", flat=True).get(pk=user.pk)
