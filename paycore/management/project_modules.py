"""The project's own modules, found by their place; so that the kernel can describe apps that it does not know."""

import pkgutil
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType

from django.apps import apps
from django.conf import settings

# Written by Django, read from the environment, or programs of their own: nothing that documents the house.
_LEFT_OUT = {"migrations", "settings", "embedded", "management", "provider", "wsgi", "celery"}


def project_modules(*, named: str = "") -> Iterator[ModuleType]:
    """Import every module of the project's apps, or those called ``named``, in the order of the apps."""
    for config in apps.get_app_configs():
        if Path(config.path).parent != Path(settings.BASE_DIR):
            continue
        for name in _names_below(config.path, prefix=f"{config.name}."):
            if not named or name.rpartition(".")[2] == named:
                yield import_module(name)


def _names_below(folder: str, *, prefix: str) -> Iterator[str]:
    for module in pkgutil.iter_modules([folder]):
        if module.name in _LEFT_OUT:
            continue
        yield prefix + module.name
        if module.ispkg:
            yield from _names_below(f"{folder}/{module.name}", prefix=f"{prefix}{module.name}.")
