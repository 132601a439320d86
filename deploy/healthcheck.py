"""The containers' health checks: `healthcheck.py web` asks /readyz, `healthcheck.py beat` looks at the clock's file."""

import glob
import http.client
import os
import sys
import time

_BEAT_WRITES_EVERY_SECONDS = 180


def web_answers() -> bool:
    """Whether the web server of this container says that it is ready."""
    host = os.environ["PAYCORE_ALLOWED_HOSTS"].split(",")[0].strip().lstrip(".")
    connection = http.client.HTTPConnection("127.0.0.1", int(os.environ.get("PORT") or 8000), timeout=4)
    try:
        connection.request("GET", "/readyz", headers={"Host": host})
        return connection.getresponse().status == http.client.OK
    except (OSError, http.client.HTTPException):
        return False


def beat_ticks() -> bool:
    """Whether beat wrote its schedule down recently."""
    written = [os.path.getmtime(path) for path in glob.glob("/tmp/beat-schedule*")]  # noqa: S108 - the container's own
    return bool(written) and time.time() - max(written) < 3 * _BEAT_WRITES_EVERY_SECONDS


if __name__ == "__main__":
    sys.exit(0 if {"web": web_answers, "beat": beat_ticks}[sys.argv[1]]() else 1)
