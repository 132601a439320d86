"""paycore's own WSGI application, with a sandbox provider in the same process."""

from importlib import import_module

from paycore.wsgi import application

__all__ = ["application"]

# Loads models, so only after the line above has set Django up.
import_module("benchmarks.rig.provider").install()
