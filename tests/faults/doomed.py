"""The process that is killed: ``python -m tests.faults.doomed`` forks a child for each job, and the child dies.

Django is loaded once; a child is an ordinary process with connections of its own. Jobs and what became of them are
lines of JSON on stdin and stdout.
"""

import importlib
import json
import os
import sys
import traceback
from collections.abc import Callable
from typing import Any

import django

GATEWAY_DEADLINE_SECONDS = 0.6


def main() -> None:
    django.setup()
    work = _load_jobs()
    print(json.dumps({"ready": True}), flush=True)
    for line in sys.stdin:
        print(json.dumps(_in_a_child(json.loads(line), work)), flush=True)


def _in_a_child(job: dict[str, Any], work: Callable[[dict[str, Any]], Any]) -> dict[str, Any]:
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(reading)
        _live_and_die(job, work, answer_to=writing)
    os.close(writing)
    with os.fdopen(reading) as answers:
        said = answers.read()
    _, status = os.waitpid(pid, 0)
    killed = os.WIFSIGNALED(status)
    return {"killed_by": os.WTERMSIG(status) if killed else 0, "answer": json.loads(said) if said else None}


def _live_and_die(job: dict[str, Any], work: Callable[[dict[str, Any]], Any], *, answer_to: int) -> None:
    """Never returns: a child that came through must not read the parent's stdin."""
    try:
        answer = work(job)
    except BaseException:
        answer = {"error": traceback.format_exc()[-3000:]}
    with os.fdopen(answer_to, "w") as pipe:
        pipe.write(json.dumps(answer))
    os._exit(0)


def _load_jobs() -> Callable[[dict[str, Any]], Any]:
    """Loaded after Django, and warmed: what a first request loads, children need not."""
    perform: Callable[[dict[str, Any]], Any] = importlib.import_module("tests.faults.jobs").perform
    return perform


if __name__ == "__main__":
    main()
