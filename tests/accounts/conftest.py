"""An app that talks to the authentication endpoints, and limits that start at zero for every test."""

import json
import uuid
from dataclasses import dataclass, field
from typing import Any

import pytest
from django.test import Client

AUTH = "/api/v1/auth/app/v1"


@dataclass
class App:
    """A mobile app: keeps its tokens, speaks JSON."""

    access_token: str = ""
    refresh_token: str = ""
    client: Client = field(default_factory=Client)

    def call(self, method: str, path: str, body: Any = None) -> Any:
        headers = {"Authorization": f"Bearer {self.access_token}"} if self.access_token else {}
        response = self.client.generic(
            method, path, data="" if body is None else _json(body), content_type="application/json", headers=headers
        )
        meta = response.json().get("meta", {}) if "json" in response.get("Content-Type", "") else {}
        self.access_token = meta.get("access_token", self.access_token)
        self.refresh_token = meta.get("refresh_token", self.refresh_token)
        return response

    def sign_up(self, *, email: str, password: str = "a long enough phrase", **profile: str) -> Any:
        return self.call("POST", f"{AUTH}/auth/signup", {"email": email, "password": password, **profile})

    def sign_in(self, *, email: str, password: str = "a long enough phrase") -> Any:
        return self.call("POST", f"{AUTH}/auth/login", {"email": email, "password": password})

    def refresh(self) -> Any:
        return Client().post(
            f"{AUTH}/tokens/refresh", {"refresh_token": self.refresh_token}, content_type="application/json"
        )


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
