"""The sandbox provider inside paycore's own processes: it answers at once, costs no socket and calls nobody back."""

import os

from payments.gateways.sandbox.provider.core import SandboxProvider
from payments.gateways.sandbox.transport import SandboxTransport
from payments.routing.connections import IN_PROCESS


def install() -> None:
    """Make ``inprocess://sandbox`` answer. Django must be set up."""
    provider = SandboxProvider(secrets=[os.environ["PAYCORE_SANDBOX_SECRET"]])
    provider.set_default_script("no_callback")
    IN_PROCESS["sandbox"] = SandboxTransport(provider)
