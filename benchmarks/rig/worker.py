"""paycore's Celery application, with the same provider in its processes as :mod:`benchmarks.rig.server_wsgi`."""

from paycore.celery import app

__all__ = ["app"]
