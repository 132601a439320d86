"""User and system time of whole process families, from /proc."""

import os
import resource
from collections import defaultdict
from pathlib import Path

import psycopg2
import redis

_TICKS = os.sysconf("SC_CLK_TCK")


def family_cpu_seconds(roots: list[int]) -> float:
    """CPU time of the roots and all their descendants, those that ended and were waited for included."""
    times, children = _processes()
    total, todo = 0.0, list(roots)
    while todo:
        pid = todo.pop()
        total += times.get(pid, 0.0)
        todo += children[pid]
    return total


def ended_children_cpu_seconds() -> float:
    """CPU time of the programs this process started and waited for: pgbench, the client."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def postgres_root(url: str) -> int:
    """The process id of the postmaster."""
    connection = psycopg2.connect(url)
    try:
        backend = connection.info.backend_pid
        stat = Path(f"/proc/{backend}/stat")
        if not stat.exists():
            raise SystemExit("PostgreSQL runs elsewhere: its CPU time cannot be seen from here.")
        return int(_fields(stat.read_text())[1])
    finally:
        connection.close()


def redis_root(url: str) -> int:
    pid = int(redis.Redis.from_url(url).info("server")["process_id"])
    if not Path(f"/proc/{pid}").exists():
        raise SystemExit("Redis runs elsewhere: its CPU time cannot be seen from here.")
    return pid


def _processes() -> tuple[dict[int, float], defaultdict[int, list[int]]]:
    times: dict[int, float] = {}
    children: defaultdict[int, list[int]] = defaultdict(list)
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        try:
            fields = _fields(Path(f"/proc/{entry}/stat").read_text())
        except OSError:  # it just ended
            continue
        times[int(entry)] = sum(int(field) for field in fields[11:15]) / _TICKS
        children[int(fields[1])].append(int(entry))
    return times, children


def _fields(stat: str) -> list[str]:
    """From the state on: a program's name may hold blanks and brackets."""
    return stat.rpartition(")")[2].split()
