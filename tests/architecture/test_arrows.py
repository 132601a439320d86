"""What import-linter cannot see: foreign keys, imports hidden in functions, the bell, signals, sizes."""

import ast
import re

from django.apps import apps

from paycore import events
from tests.architecture.sources import APPS, HEIGHT, Source, functions, imported, sources

MAX_FILE_LINES = 400
MAX_FUNCTION_LINES = 60
MAY_TALK_TO_CELERY = {"paycore/bell.py", "paycore/outbox.py"}
LONG_FILES: dict[str, str] = {}
LONG_FUNCTIONS: dict[str, str] = {}
"""Exceptions, each with its reason. Empty is right."""


def is_type_checking(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


def calls(source: Source) -> list[ast.Call]:
    return [node for node in ast.walk(source.tree) if isinstance(node, ast.Call)]


def test_foreign_keys_point_down() -> None:
    arrows = {
        (model._meta.app_label, field.related_model._meta.app_label, f"{model.__name__}.{field.name}")
        for model in apps.get_models()
        for field in model._meta.get_fields()
        if field.is_relation and field.concrete and field.related_model is not None
    }
    ours = [arrow for arrow in arrows if arrow[0] in HEIGHT and arrow[1] in HEIGHT]
    assert len(ours) > 15
    assert not [arrow for arrow in ours if arrow[0] != arrow[1] and HEIGHT[arrow[0]] <= HEIGHT[arrow[1]]]


def test_nobody_imports_an_app_inside_a_function() -> None:
    hidden = [
        f"{source.path}:{node.lineno} {name}"
        for source in sources()
        for function in functions(source.tree)
        for node in ast.walk(function)
        for name in imported(node)
        if name.split(".")[0] in APPS
    ]
    assert not hidden


def test_only_the_bell_talks_to_celery() -> None:
    talkers = {
        source.path
        for source in sources()
        for call in calls(source)
        if isinstance(call.func, ast.Attribute) and call.func.attr in ("delay", "apply_async", "send_task")
    }
    assert talkers <= MAY_TALK_TO_CELERY
    assert "paycore/bell.py" in talkers


def test_there_are_no_django_signals() -> None:
    importers = [
        f"{source.path} {name}"
        for source in sources()
        for node in ast.walk(source.tree)
        for name in imported(node)
        if name.startswith(
            ("django.dispatch", "django.db.models.signals", "django.core.signals", "allauth.account.signals")
        )
    ]
    assert not importers


def test_the_gateways_and_the_ledger_know_no_orders() -> None:
    """By text as well: no dotted name of orders in a string or a comment that would be a hidden arrow."""
    knowing = [
        f"{source.path} {name}"
        for source in sources()
        if source.path.startswith(("payments/gateways/", "payments/ledger/"))
        for node in ast.walk(source.tree)
        for name in imported(node)
        if name.startswith(("payments.orders", "payments.checkout", "payments.webhooks", "memberships"))
    ]
    assert not knowing


def test_files_stay_below_400_lines() -> None:
    too_long = {source.path: source.lines for source in sources() if source.lines >= MAX_FILE_LINES}
    assert set(too_long) == set(LONG_FILES), too_long


def test_functions_stay_below_60_lines() -> None:
    too_long = {
        f"{source.path}:{function.name}": length
        for source in sources()
        for function in functions(source.tree)
        if (length := (function.end_lineno or 0) - function.lineno + 1) >= MAX_FUNCTION_LINES
    }
    assert set(too_long) == set(LONG_FUNCTIONS), too_long


def test_there_are_no_drawers_for_everything() -> None:
    """style.md, 15."""
    drawers = [
        source.path
        for source in sources()
        if {"utils", "helpers", "common", "misc"} & set(source.path.removesuffix(".py").split("/"))
    ]
    assert not drawers


def test_nobody_but_the_outbox_catches_everything() -> None:
    """style.md, 11. The sandbox is another house: its courier's thread must outlive anything. Two more work through
    rows of many owners, where one must not stop the rest: the webhooks' pass records it as the outbox does, and the
    clock's tasks (``try_each``) raise it again after the last."""
    catchers = {
        source.path
        for source in sources()
        for node in ast.walk(source.tree)
        if isinstance(node, ast.ExceptHandler)
        and (node.type is None or (isinstance(node.type, ast.Name) and node.type.id in ("Exception", "BaseException")))
        and not any(isinstance(part, ast.Raise) and part.exc is None for part in ast.walk(node))
    }
    assert catchers <= {
        "merchants/webhooks/delivery.py",
        "paycore/claims.py",
        "paycore/outbox.py",
        "payments/gateways/sandbox/provider/courier.py",
    }


def test_every_handler_is_registered_under_a_name_of_its_own_and_lives_in_handlers() -> None:
    registered = [name for event in events.EVENT_TYPES for name in events.handler_names(event)]
    names = [name for name in registered if name.split(".")[0] in APPS]
    assert len(names) > 5
    assert len(names) == len(set(names))
    assert all(name.split(".")[1] == "handlers" or ".handlers." in name for name in names), names


def test_events_are_named_after_an_object_and_what_happened_to_it() -> None:
    ours = {name: event for name, event in events.EVENT_TYPES.items() if event.__module__.split(".")[0] in APPS}
    assert len(ours) > 15
    assert all(event.__module__.endswith(".events") for event in ours.values())
    wrong = [name for name in ours if not re.fullmatch(r"[a-z_]+\.[a-z_]+", name)]
    assert not wrong
