"""An app that talks to the authentication endpoints, and limits that start at zero for every test."""

import json
import uuid
from dataclasses import dataclass, field
from typing import Any

import pytest
from django.test import Client

from paycore.notifications.models import Notification
from paycore.notifications.services import sent_to_key

AUTH = "/api/v1/auth/app/v1"


@dataclass
class App:
    """A mobile app: keeps its tokens, speaks JSON."""

    access_token: str = ""
    refresh_token: str = ""
    session_token: str = ""
    client: Client = field(default_factory=Client)

    def call(self, method: str, path: str, body: Any = None) -> Any:
        headers = {"Authorization": f"Bearer {self.access_token}"} if self.access_token else {}
        if self.session_token and not self.access_token:
            headers["X-Session-Token"] = self.session_token
        response = self.client.generic(
            method, path, data="" if body is None else _json(body), content_type="application/json", headers=headers
        )
        meta = response.json().get("meta", {}) if "json" in response.get("Content-Type", "") else {}
        self.session_token = meta.get("session_token", self.session_token)
        self.access_token = meta.get("access_token", self.access_token)
        self.refresh_token = meta.get("refresh_token", self.refresh_token)
        return response

    def sign_up(self, *, email: str, password: str = "a long enough phrase", **profile: str) -> Any:
        return self.call("POST", f"{AUTH}/auth/signup", {"email": email, "password": password, **profile})

    def sign_up_whole(self, *, email: str, **details: str) -> Any:
        """Sign-up with the code typed in: signed in afterwards."""
        assert self.sign_up(email=email, **details).status_code == 401
        return self.call("POST", f"{AUTH}/auth/email/verify", {"key": code_sent_to(email)})

    def sign_up_by_phone(self, phone: str, **details: str) -> Any:
        assert self.call("POST", f"{AUTH}/auth/signup", {"phone": phone, **details}).status_code == 401
        return self.call("POST", f"{AUTH}/auth/phone/verify", {"code": code_sent_to(phone)})

    def sign_in_by_code(self, address: str) -> Any:
        kind = "email" if "@" in address else "phone"
        assert self.call("POST", f"{AUTH}/auth/code/request", {kind: address}).status_code == 401
        return self.call("POST", f"{AUTH}/auth/code/confirm", {"code": code_sent_to(address)})

    def sign_in(self, *, email: str, password: str = "a long enough phrase") -> Any:
        return self.call("POST", f"{AUTH}/auth/login", {"email": email, "password": password})

    def refresh(self) -> Any:
        return Client().post(
            f"{AUTH}/tokens/refresh", {"refresh_token": self.refresh_token}, content_type="application/json"
        )


def messages_to(address: str) -> list[Notification]:
    """What was written down for an address, newest first."""
    return list(Notification.objects.filter(key__startswith=sent_to_key(address)).order_by("-id"))


def code_sent_to(address: str) -> str:
    """The newest code, as the person would read it."""
    return str(messages_to(address)[0].context["code"])


def _json(body: Any) -> bytes:
    return body if isinstance(body, bytes) else json.dumps(body).encode()


@pytest.fixture
def app() -> App:
    return App()


@pytest.fixture(autouse=True)
def _fresh_limits(settings: Any) -> None:
    settings.CACHES = {
        "default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache", "LOCATION": uuid.uuid4().hex}
    }
