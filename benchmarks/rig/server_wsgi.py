"""paycore's own WSGI application, with a sandbox provider in the same process that calls nobody back."""

import os

from paycore.wsgi import application
from payments.gateways.sandbox.provider.core import SandboxProvider
from payments.gateways.sandbox.transport import SandboxTransport
from payments.routing.connections import IN_PROCESS

__all__ = ["application"]

_provider = SandboxProvider(secrets=[os.environ["PAYCORE_SANDBOX_SECRET"]])
_provider.set_default_script("no_callback")
IN_PROCESS["sandbox"] = SandboxTransport(_provider)
