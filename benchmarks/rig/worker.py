"""paycore's Celery application, with a sandbox provider in the same processes."""

from importlib import import_module

import django

from paycore.celery import app

__all__ = ["app"]

django.setup()
# Loads models, so only after the line above.
import_module("benchmarks.rig.provider").install()
