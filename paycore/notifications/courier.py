"""Codes are waited for: after the commit a thread of this process sends what is due, with no Redis and no worker.

Only speed is at stake: the row is there, and the sweeper sends what no thread did.
"""

import threading

import structlog
from django.conf import settings
from django.db import DatabaseError, close_old_connections, transaction

from paycore.notifications.services import send_due

MOST_AT_ONCE = 20

log = structlog.get_logger(__name__)
_wanted = threading.Event()
_start = threading.Lock()
_thread: threading.Thread | None = None


def hurry_on_commit() -> None:
    """Send what is due once the running transaction has committed."""
    transaction.on_commit(_hurry, robust=True)


def _hurry() -> None:
    if not settings.PAYCORE_BELL_ENABLED:
        return
    global _thread
    with _start:
        # A forked worker inherits the variable but not the thread; and a thread may have died of the unforeseen.
        if _thread is None or not _thread.is_alive():
            _thread = threading.Thread(target=_keep_sending, name="paycore-courier", daemon=True)
            _thread.start()
    _wanted.set()


def _keep_sending() -> None:
    while True:
        _wanted.wait()
        _wanted.clear()
        close_old_connections()
        try:
            while send_due(limit=MOST_AT_ONCE) == MOST_AT_ONCE:
                pass
        except DatabaseError as error:
            log.warning("courier_gave_up", error=type(error).__name__)
        finally:
            close_old_connections()
