"""The project's own source files, parsed once."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from django.conf import settings

APPS = ("paycore", "accounts", "merchants", "riskcontrol", "payments", "memberships", "reconciliation")
"""From the bottom: architecture.md, "The one law"."""
HEIGHT = {
    "paycore": 0, "accounts": 1, "merchants": 2, "riskcontrol": 3, "payments": 4, "memberships": 5, "reconciliation": 5,
}  # fmt: skip
ROOT = Path(settings.BASE_DIR)


@dataclass(frozen=True)
class Source:
    path: str
    text: str
    tree: ast.Module

    @property
    def lines(self) -> int:
        return self.text.count("\n")


@cache
def sources() -> tuple[Source, ...]:
    """Every Python file of the apps but migrations, which Django writes."""
    return tuple(
        Source(str(path.relative_to(ROOT)), text := path.read_text(), ast.parse(text))
        for app in APPS
        for path in sorted((ROOT / app).rglob("*.py"))
        if "migrations" not in path.parts
    )


def functions(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def imported(node: ast.AST) -> list[str]:
    """Dotted names that one import statement brings in."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        return [f"{node.module}.{alias.name}" for alias in node.names]
    return []
