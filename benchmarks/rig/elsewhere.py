"""Pythons of their own for what paycore is compared with: nothing of it is a dependency of ours."""

import subprocess
import sys
from pathlib import Path

_FOLDER = Path(__file__).resolve().parent.parent.parent / ".state" / "bench"


def python_with(requirements: Path) -> str:
    """A Python that has exactly what the lock lists, made once under ``.state/bench``."""
    home = _FOLDER / requirements.parent.name
    python, installed = home / "bin" / "python", home / ".installed"
    wanted = requirements.read_bytes()
    if not installed.exists() or installed.read_bytes() != wanted:
        print(f"- making {home.name}'s own environment, once", flush=True)
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(home)], check=True)
        options = ["--quiet", "--require-hashes", "--no-compile", "--disable-pip-version-check"]
        subprocess.run([python, "-m", "pip", "install", *options, "--requirement", requirements], check=True)
        installed.write_bytes(wanted)
    return str(python)
