"""A paid order whose payer disputes it, at the sandbox and in our books."""

from dataclasses import dataclass
from typing import Any

from django.core.files.uploadedfile import SimpleUploadedFile

from payments.gateways.sandbox.provider.core import SandboxProvider
from payments.orders.disputes.models import Dispute
from tests.actors import MerchantServer, deliver_callbacks, run_background

PDF = b"%PDF-1.4 what proves it"


@dataclass
class Quarrel:
    """A payment of 50.00 USD, its payer's bank, and the merchant who may answer."""

    sandbox: SandboxProvider
    server: MerchantServer
    payment: dict[str, Any]
    theirs: str = ""

    @property
    def dispute(self) -> Dispute:
        return Dispute.objects.get(gateway_reference=self.theirs)

    @property
    def path(self) -> str:
        return f"/merchant/disputes/{self.dispute.id}"

    def open(self, **words: Any) -> "Quarrel":
        """The bank opens a dispute, and we hear of it."""
        made = self.sandbox.disputes.open(self.payment["id"], {"why": "fraudulent", **words})
        self.theirs = made.words["dispute"]
        return self.hear()

    def move(self, to: str) -> "Quarrel":
        self.sandbox.disputes.move(self.theirs, to=to)
        return self.hear()

    def hear(self) -> "Quarrel":
        assert set(deliver_callbacks(self.sandbox)) <= {200}
        run_background()
        return self

    def write(self, **texts: str) -> Any:
        return self._send("put", "/evidence", texts or {"explanation": "They used it for a month."})

    def upload(self, content: bytes = PDF, *, kind: str = "receipt", name: str = "proof.pdf") -> Any:
        body = {"kind": kind, "files": SimpleUploadedFile(name, content)}
        return self.server.client.post(
            f"/api/v1{self.path}/documents", body, headers={"Authorization": f"Bearer {self.server.secret}"}
        )

    def _send(self, verb: str, path: str, body: Any) -> Any:
        return getattr(self.server.client, verb)(
            f"/api/v1{self.path}{path}",
            body,
            content_type="application/json",
            headers={"Authorization": f"Bearer {self.server.secret}"},
        )

    def submit(self) -> Any:
        return self.server.post(f"{self.path}/submit")

    def accept(self) -> Any:
        return self.server.post(f"{self.path}/accept")

    def at_provider(self) -> dict[str, Any]:
        return self.sandbox.disputes.fetch(self.theirs).words


def quarrel_about(payment: dict[str, Any], *, sandbox: SandboxProvider, server: MerchantServer) -> Quarrel:
    deliver_callbacks(sandbox)
    run_background()
    return Quarrel(sandbox, server, payment)
