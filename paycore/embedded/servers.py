"""PostgreSQL and Redis together, and the environment that paycore's programs get from them."""

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from paycore.embedded.announce import progress
from paycore.embedded.keys import local_secrets
from paycore.embedded.postgres import Postgres
from paycore.embedded.processes import Child, stop_all
from paycore.embedded.shutdown import Shutdown
from paycore.embedded.state import State
from paycore.embedded.valkey import Valkey
from paycore.embedded.watchdog import Watchdog


@dataclass(kw_only=True)
class Servers:
    """What runs, and the environment that leads to it."""

    state: State
    watchdog: Watchdog
    environment: dict[str, str]
    restarts: dict[str, Callable[[], Child]] = field(default_factory=dict)
    children: dict[str, Child] = field(default_factory=dict)

    def publish(self) -> None:
        """Let `exec --attach` find these servers while they run."""
        names = (*_GIVEN, *(name for name in self.environment if name.startswith("PAYCORE_")))
        facts = {name: self.environment[name] for name in names if name in self.environment}
        self.state.write("environment", {**facts, "pid": os.getpid()})

    def start(self, name: str, title: str, launch: Callable[[], Child]) -> None:
        self.restarts[name] = launch
        self.children[name] = launch()
        progress(f"{title} is up")


PROJECT = Path(__file__).resolve().parents[2]
_GIVEN = ("DATABASE_URL", "REDIS_URL", "PORT")


@contextmanager
def serving(
    state: State,
    *,
    shutdown: Shutdown,
    given: Mapping[str, str],
    defaults: Mapping[str, str],
    outlives_the_machine: bool = True,
) -> Iterator[Servers]:
    """Start what the given environment does not already name, and stop it in the end, PostgreSQL last."""
    state.logs.mkdir(mode=0o700, exist_ok=True)
    secrets = local_secrets(state)
    made = {name: value for name, value in secrets.items() if name.startswith("PAYCORE_")}
    chosen = {name: value for name, value in given.items() if value or name not in {*defaults, *made}}
    environment = {**defaults, **made, **chosen, "PAYCORE_STATE_DIR": str(state.folder)}
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, [str(PROJECT), given.get("PYTHONPATH", "")]))
    watchdog = Watchdog()
    servers = Servers(state=state, watchdog=watchdog, environment=environment)
    try:
        if not given.get("DATABASE_URL"):
            postgres = Postgres(
                state=state,
                password=secrets["postgres_password"],
                watchdog=watchdog,
                shutdown=shutdown,
                outlives_the_machine=outlives_the_machine,
            )
            servers.start("postgres", "PostgreSQL", postgres.start)
            environment["DATABASE_URL"] = postgres.url
        if not given.get("REDIS_URL"):
            valkey = Valkey(state=state, password=secrets["redis_password"], watchdog=watchdog, shutdown=shutdown)
            servers.start("redis", "Redis", valkey.start)
            environment["REDIS_URL"] = valkey.url
        servers.publish()
        yield servers
    finally:
        for name in ("redis", "postgres"):
            if child := servers.children.pop(name, None):
                stop_all([child], shutdown=shutdown)
        watchdog.close()
