"""`make run` and `make demo` as a newcomer meets them: the real supervisor, servers, worker, beat and sandbox."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen  # noqa: TID251 a newcomer has a browser, not our client

import pytest

PROJECT = Path(__file__).resolve().parents[2]
START_SECONDS = 300
# One sentence of each act: every app takes part in the story.
TOLD = (
    "The period is over, and nothing more was charged: she is on the free plan again",
    "Eve has got hold of his link: it opens nothing for her",
    "it speaks for Cleo's Books",
    "signature verified: order.paid",
    "The rule goes back to shadow",
    "the difference is booked, once",
    "Every invariant of the books holds",
)


def free_port() -> int:
    """A port whose neighbour is free as well: the sandbox provider listens there."""
    while True:
        with socket.socket() as first, socket.socket() as second:
            first.bind(("127.0.0.1", 0))
            port = int(first.getsockname()[1])
            try:
                second.bind(("127.0.0.1", port + 1))
            except OSError:
                continue
            return port


def environment(port: int, state: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name in {"PATH", "HOME", "LANG"}}
    return {**kept, "PORT": str(port), "PAYCORE_STATE_DIR": str(state), "PYTHONPATH": str(PROJECT)}


def embedded(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "paycore.embedded", *arguments]


def wait_until_ready(port: int, process: subprocess.Popen[str]) -> None:
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until:
        assert process.poll() is None, f"it stopped: {process.stdout.read() if process.stdout else ''}"
        try:
            with urlopen(f"http://127.0.0.1:{port}/readyz", timeout=2) as answer:
                assert answer.status == 200
                return
        except (URLError, OSError):
            time.sleep(0.3)
    raise AssertionError("it was not ready in time")


def processes_of(state: Path) -> list[str]:
    """Command lines of live processes that were started for this state folder."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit() and int(folder.name) != os.getpid():
            try:
                words = (folder / "environ").read_bytes() + (folder / "cmdline").read_bytes()
            except OSError:
                continue
            if str(state).encode() in words:
                found.append((folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace"))
    return found


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc").exists(), reason="looks for left-over processes in /proc")
def test_a_newcomer_runs_it_watches_the_story_and_stops_it(tmp_path: Path) -> None:
    state, port = tmp_path / "state", free_port()
    surroundings = environment(port, state)
    process = subprocess.Popen(
        embedded("run"),
        cwd=PROJECT,
        env=surroundings,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        wait_until_ready(port, process)
        story = subprocess.run(
            embedded("exec", "--attach", "--", sys.executable, "manage.py", "demo"),
            cwd=PROJECT,
            env=surroundings,
            capture_output=True,
            text=True,
            timeout=180,
            check=False,
        )
        assert story.returncode == 0, story.stdout + story.stderr
        assert [sentence for sentence in TOLD if sentence not in story.stdout] == []
        with urlopen(f"http://127.0.0.1:{port}/", timeout=10) as landing:
            assert json.loads((state / "demo.json").read_text())["logins"][0]["login"].encode() in landing.read()
    finally:
        process.send_signal(signal.SIGINT)
        said, _nothing = process.communicate(timeout=60)
    assert f"http://127.0.0.1:{port}/ops/" in said
    assert processes_of(state) == []
