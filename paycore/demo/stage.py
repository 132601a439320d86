"""Where the demo plays: people with nothing but the public address, and a voice that tells what happens."""

import json
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from django.core.management.base import CommandError, OutputWrapper

from paycore.http import OutboundRequest, client

PATIENCE_SECONDS = 40
Headers = Mapping[str, str] | None


class StoryWentWrong(CommandError):
    """Something is not as the story tells it."""


@dataclass
class Caller:
    """A mobile app or a merchant's server: the public address and, later, a token."""

    base_url: str
    token: str = ""

    def get(self, path: str, **query: str) -> dict[str, Any]:
        return self.ask("GET", f"{path}?{urlencode(query)}" if query else path)

    def post(self, path: str, body: Any = None, *, expected: int = 201, **headers: str) -> dict[str, Any]:
        raw = b"" if body is None else json.dumps(body).encode()
        return self.ask("POST", path, raw, expected=expected, headers={"Content-Type": "application/json", **headers})

    def patch(self, path: str, body: Any) -> dict[str, Any]:
        return self.ask("PATCH", path, json.dumps(body).encode(), headers={"Content-Type": "application/json"})

    def upload(self, path: str, fields: Mapping[str, str], files: Mapping[str, bytes], *, expected: int = 201) -> Any:
        """``files``: name of the field → a PDF's bytes."""
        boundary = uuid.uuid4().hex
        parts = [
            f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
            for name, value in fields.items()
        ]
        for name, content in files.items():
            head = f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"; filename="{name}.pdf"\r\n'
            parts.append(head.encode() + b"Content-Type: application/pdf\r\n\r\n" + content + b"\r\n")
        parts.append(f"--{boundary}--\r\n".encode())
        headers = {"Content-Type": f"multipart/form-data; boundary={boundary}"}
        return self.ask("POST", path, b"".join(parts), expected=expected, headers=headers)

    def ask(
        self,
        method: str,
        path: str,
        body: bytes = b"",
        *,
        expected: int = 200,
        headers: Mapping[str, str] | None = None,
    ) -> dict[str, Any]:
        """The answer's JSON; :class:`StoryWentWrong` for another status than ``expected``."""
        answer = self.send(method, path, body, expected=expected, headers=headers)
        document: dict[str, Any] = json.loads(answer) if answer else {}
        return document

    def send(
        self,
        method: str,
        path: str,
        body: bytes = b"",
        *,
        expected: int = 200,
        headers: Mapping[str, str] | None = None,
    ) -> bytes:
        all_headers = {"Idempotency-Key": str(uuid.uuid4()), "Accept-Language": "en", **(headers or {})}
        if self.token:
            all_headers["Authorization"] = f"Bearer {self.token}"
        url = f"{self.base_url}/api/v1{path}"
        request = OutboundRequest(method=method, url=url, headers=all_headers, body=body, deadline_seconds=15)
        response = client().send(request)
        if response.status != expected:
            raise StoryWentWrong(f"{method} {path} answered {response.status}: {response.body[:600]!r}")
        return response.body


@dataclass
class Stage:
    """``seeded`` is what ``seed_demo`` wrote down; ``told`` is what earlier acts leave for later ones."""

    base_url: str
    out: OutputWrapper
    seeded: Mapping[str, Any]
    told: dict[str, Any] = field(default_factory=dict)
    began: float = field(default_factory=time.monotonic)

    def person(self) -> Caller:
        return Caller(self.base_url)

    def server(self) -> Caller:
        """The server of the demo shop, with its key."""
        return Caller(self.base_url, token=self.seeded["api_key"])

    def sign_up(self, name: str) -> Caller:
        """A new person with an e-mail address that was proved with the code sent to it."""
        app, email = self.person(), f"{name.lower()}-{uuid.uuid4().hex[:8]}@demo.example"
        pending = app.post("/auth/app/v1/auth/signup", {"email": email, "password": uuid.uuid4().hex}, expected=401)
        code = self.newest_code(email)
        session = {"X-Session-Token": pending["meta"]["session_token"]}
        answer = app.post("/auth/app/v1/auth/email/verify", {"key": code}, expected=200, **session)
        app.token = answer["meta"]["access_token"]
        self.tell(f"{name} signs up with {email}, types the code {code} from the mail, and is {app.get('/me')['id']}")
        return app

    def tell(self, text: str) -> None:
        self.out.write(f"{time.monotonic() - self.began:7.2f} s  {text}\n")

    def require(self, is_true: object, promise: str, found: Any) -> None:
        if not is_true:
            raise StoryWentWrong(f"Not true: {promise}. Found: {found}")

    def wait_for(self, ask: Callable[[], Any], is_good: Callable[[Any], object]) -> Any:
        """The first good answer; :class:`StoryWentWrong` when patience ends."""
        until = time.monotonic() + PATIENCE_SECONDS
        while not is_good(answer := ask()):
            if time.monotonic() > until:
                raise StoryWentWrong(f"after {PATIENCE_SECONDS} s it is still {json.dumps(answer, default=str)[:600]}")
            time.sleep(0.3)
        return answer

    def wait_until(self, caller: Caller, path: str, *, status: str, version: int = 0) -> dict[str, Any]:
        """Long-poll where the endpoint can; else look again."""
        query = f"?wait_seconds=5&after_version={version}" if version else ""
        found: dict[str, Any] = self.wait_for(lambda: caller.get(path + query), lambda row: row["status"] == status)
        return found

    def newest_code(self, address: str) -> str:
        """The newest code sent to a mailbox or phone, as the sandbox shows it."""
        sent = self.wait_for(
            lambda: self.person().get("/sandbox/messages", to=address)["data"],
            lambda messages: any(message["code"] for message in messages),
        )
        return str(next(message["code"] for message in sent if message["code"]))
