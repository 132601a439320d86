"""Whether processes still run, and ending a whole group of them."""

import os
import signal
from pathlib import Path


def is_process_alive(pid: int) -> bool:
    """Whether the process exists; one that has ended but was not yet collected does not count."""
    if pid <= 0:
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in ("Z", "X")
    except (OSError, IndexError):
        return True


def kill_group(group: int) -> None:
    """End every process of the group, now; none left is fine."""
    try:
        os.killpg(group, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        return
