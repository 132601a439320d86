"""A supervisor over stand-ins: `python placeholder_run.py STATE PORT`, with the real PostgreSQL and Redis.

The stand-in web server answers every request; the stand-in worker has a child of its own, as real ones do.
"""

import os
import sys
from pathlib import Path

from paycore.embedded.processes import Program
from paycore.embedded.servers import serving
from paycore.embedded.shutdown import Shutdown
from paycore.embedded.state import is_port_free, open_state
from paycore.embedded.supervisor import supervise

WORKER = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'import time; time.sleep(600)'])"


def main(folder: Path, port: str) -> None:
    shutdown = Shutdown()
    shutdown.install()
    state = open_state(folder, shutdown=shutdown)
    defaults = {
        "PORT": port,
        "PAYCORE_BASE_URL": f"http://127.0.0.1:{port}",
        "PAYCORE_SANDBOX_URL": "http://127.0.0.1:1",
    }
    commands = {
        "web": [sys.executable, "-m", "http.server", "--bind", "127.0.0.1", port],
        "worker": [sys.executable, "-c", WORKER],
    }
    with serving(state, shutdown=shutdown, given=os.environ, defaults=defaults) as servers:
        programs = [
            Program(
                name=name,
                command=command,
                environment=servers.environment,
                log=state.logs / f"{name}.log",
                directory=state.folder,
            )
            for name, command in commands.items()
        ]
        supervise(
            servers,
            preparations=[("prepared", [sys.executable, "-c", "print('prepared')"])],
            programs=programs,
            shutdown=shutdown,
            is_ready=lambda environment: not is_port_free(int(environment["PORT"])),
        )
    state.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
