"""The command line: `python -m paycore.embedded run` and `python -m paycore.embedded exec -- COMMAND`."""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from paycore.embedded.announce import say
from paycore.embedded.command import run_command
from paycore.embedded.errors import EmbeddedError, StopRequested
from paycore.embedded.servers import serving
from paycore.embedded.shutdown import Shutdown
from paycore.embedded.state import open_free_state, running_environment
from paycore.embedded.supervisor import run_paycore


def main(arguments: Sequence[str] | None = None) -> int:
    """Return the exit code: the command's own for exec, 130 after a stop during the start, 1 for what cannot be."""
    options = _parser().parse_args(arguments)
    shutdown = Shutdown()
    shutdown.install()
    if options.with_parent:
        shutdown.follow_parent()
    folder = Path(options.state or os.environ.get("PAYCORE_STATE_DIR") or ".state").absolute()
    try:
        if options.action == "run":
            return run_paycore(folder, shutdown=shutdown)
        command = options.command[1:] if options.command[:1] == ["--"] else options.command
        if not command:
            raise EmbeddedError("Nothing to run. Example: python -m paycore.embedded exec -- pytest tests/paycore")
        if options.attach:
            found = {**os.environ, **running_environment(folder)}
            return run_command(command, environment=found, shutdown=shutdown, servers=None)
        return _execute(command, folder=folder, shutdown=shutdown, is_throwaway=options.throwaway)
    except StopRequested as stop:
        say(str(stop))
        return 130
    except EmbeddedError as error:
        say(f"\n{error}")
        return 1


def _execute(command: Sequence[str], *, folder: Path, shutdown: Shutdown, is_throwaway: bool) -> int:
    state = open_free_state(folder, shutdown=shutdown)
    try:
        defaults = {"PAYCORE_ENV": "test"}
        with serving(
            state,
            shutdown=shutdown,
            given=os.environ,
            defaults=defaults,
            outlives_the_machine=not is_throwaway,
        ) as servers:
            return run_command(command, environment=servers.environment, shutdown=shutdown, servers=servers)
    finally:
        state.close()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m paycore.embedded", description=__doc__)
    parser.add_argument("--state", metavar="FOLDER", help="data, logs, secrets (default: $PAYCORE_STATE_DIR or .state)")
    parser.add_argument("--with-parent", action="store_true", help="stop when the process that started this one ends")
    actions = parser.add_subparsers(dest="action", required=True)
    actions.add_parser("run", help="PostgreSQL, Redis, and everything paycore is made of, until Ctrl-C")
    execute = actions.add_parser("exec", help="PostgreSQL and Redis around one command")
    execute.add_argument("--attach", action="store_true", help="use what already runs on the state folder")
    execute.add_argument(
        "--throwaway", action="store_true", help="do not wait for the disk: if the machine goes down, delete the folder"
    )
    execute.add_argument("command", nargs=argparse.REMAINDER)
    return parser


if __name__ == "__main__":
    sys.exit(main())
