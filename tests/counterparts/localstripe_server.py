"""localstripe (PyPI, GPL, for development only) in a process of its own: ``localstripe_server.py PORT``.

Its own ``main`` listens on all interfaces and pickles its store into a shared folder; here it does neither.
"""

import sys
from typing import Any

from aiohttp import web
from localstripe import resources, server


def forget_the_disk(_store: Any) -> None:
    """The store dies with the process."""


if __name__ == "__main__":
    resources.Store.dump_to_disk = forget_the_disk
    web.run_app(server.app, host="127.0.0.1", port=int(sys.argv[1]), print=None, access_log=None)
