"""Payments under load while PostgreSQL is killed: run under ``paycore.embedded exec``, which starts it again.

Prints one line of JSON: what was acknowledged, what was found afterwards, what the books say.
"""

import importlib
import json
import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any

import django
from django.core.management import call_command
from django.db import Error, connection, connections

PAYERS, KILLS, SECONDS_BETWEEN_KILLS, PATIENCE_SECONDS = 6, 3, 2.0, 60.0


def main() -> None:
    django.setup()
    call_command("migrate", verbosity=0, interactive=False)
    print(json.dumps(importlib.import_module("tests.faults.load_story").play()), flush=True)


def kill_postgres() -> None:
    """kill -9 of the parent of all backends; they end with it."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        backend = cursor.fetchone()[0]
    stat = Path(f"/proc/{backend}/stat").read_text()
    os.kill(int(stat.rpartition(")")[2].split()[1]), signal.SIGKILL)
    connection.close()


def wait_for_postgres() -> float:
    started = time.monotonic()
    while time.monotonic() - started < PATIENCE_SECONDS:
        try:
            connection.close()
            with connection.cursor() as cursor:
                cursor.execute("SELECT 1")
            return time.monotonic() - started
        except Error:
            time.sleep(0.05)
    raise TimeoutError("PostgreSQL did not come back")


def in_threads(count: int, work: Any) -> list[threading.Thread]:
    def with_own_connection(number: int) -> None:
        try:
            work(number)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=with_own_connection, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    return threads


if __name__ == "__main__":
    sys.exit(main())
