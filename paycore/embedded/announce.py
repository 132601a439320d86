"""What the person at the terminal reads."""

import json
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

_began = time.monotonic()


def say(text: str, *, stream: Any = None) -> None:
    """Print a line to standard error; a terminal that has hung up is not an error."""
    try:
        print(text, file=stream or sys.stderr, flush=True)
    except (OSError, ValueError):
        return


def progress(text: str) -> None:
    """Print a line with the seconds since the start."""
    say(f"  {time.monotonic() - _began:6.1f} s  {text}")


def tail(log: Path, *, lines: int = 20) -> str:
    """Return the last lines of a log, indented, or an empty string."""
    try:
        with log.open("rb") as file:
            file.seek(0, 2)
            file.seek(max(0, file.tell() - 16_384))
            text = file.read().decode("utf-8", "replace")
    except OSError:
        return ""
    return "\n".join(f"    | {line}" for line in text.splitlines()[-lines:])


def welcome(*, environment: Mapping[str, str], state: Path) -> str:
    """Return the addresses, the demo logins that the seed wrote down, and what to try next."""
    demo = _demo(state)
    base_url, sandbox_url = environment["PAYCORE_BASE_URL"], environment["PAYCORE_SANDBOX_URL"]
    rows = [
        ("paycore", f"{base_url}/"),
        ("API and its documentation", f"{base_url}/api/v1/docs"),
        ("merchant console", f"{base_url}/merchant/"),
        ("operations", f"{base_url}/ops/"),
        ("sandbox provider", f"{sandbox_url}/"),
    ]
    lines = ["", "paycore is ready.", "", *(f"  {name:<26} {address}" for name, address in rows)]
    if logins := demo.get("logins"):
        lines += ["", "Demo logins (this machine only):", ""]
        width = max(26, *(len(str(login.get("who", ""))) for login in logins))
        for login in logins:
            address = str(login.get("address", ""))
            address = f"{base_url}{address}" if address.startswith("/") else address
            lines.append(
                f"  {login.get('who', ''):<{width}} {login.get('login', '')} / {login.get('password', '')}   {address}"
            )
        if note := demo.get("note"):
            lines += ["", f"  {note}"]
    steps = demo.get("try") or ["Open the first address and take a test payment.", "In another terminal: make demo"]
    lines += ["", "Try next:", "", *(f"  {number}. {step}" for number, step in enumerate(steps, start=1))]
    lines += ["", f"Logs: {state / 'logs'}   Data: {state}   Stop: Ctrl-C", ""]
    return "\n".join(lines)


def _demo(state: Path) -> dict[str, Any]:
    try:
        found = json.loads((state / "demo.json").read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
