"""Keep-alive connections in one process, one epoll loop: ``python -m benchmarks.rig.client`` reads a scene as JSON and
writes what came of it. Each connection tells its story over and over until the time is up."""

import json
import selectors
import socket
import sys
import time
from collections.abc import Callable

from benchmarks.rig.percentiles import percentiles_ms
from benchmarks.rig.stories import STORIES, Scene, Story


class Connection:
    """One socket and the story it is in the middle of."""

    def __init__(self, scene: Scene, new_story: Callable[[], Story]) -> None:
        self._new_story = new_story
        self.socket = socket.create_connection((scene.host, scene.port), timeout=10)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.took: list[float] = []
        self._received = b""
        self.begin()

    def begin(self) -> None:
        self._story = self._new_story()
        self._began = time.perf_counter()
        self.socket.sendall(next(self._story))

    def read(self) -> bool:
        """Take what arrived; whether a story came to its end."""
        chunk = self.socket.recv(65_536)
        if not chunk:
            raise SystemExit(
                f"the server closed a connection after {len(self.took)} stories,"
                f" {time.perf_counter() - self._began:.3f} s into one, having sent {self._received[:500]!r}"
            )
        self._received += chunk
        body = _whole_body(self._received)
        if body is None:
            return False
        self._received = b""
        try:
            request = self._story.send(body)
        except StopIteration:
            self.took.append(time.perf_counter() - self._began)
            return True
        self.socket.sendall(request)
        return False


def play(scene: Scene) -> dict[str, object]:
    """Tell stories for ``scene.seconds``; how many, in what time, and how long each took."""
    new_story = STORIES[scene.story](scene)
    selector = selectors.DefaultSelector()
    started = time.perf_counter()
    connections = [Connection(scene, new_story) for _ in range(scene.connections)]
    for connection in connections:
        selector.register(connection.socket, selectors.EVENT_READ, connection)
    until, running = started + scene.seconds, len(connections)
    while running:
        for key, _events in selector.select():
            if not key.data.read():
                continue
            if time.perf_counter() < until:
                key.data.begin()
            else:
                selector.unregister(key.fileobj)
                running -= 1
    took = [seconds for connection in connections for seconds in connection.took]
    return {
        "operations": len(took),
        "wall_seconds": time.perf_counter() - started,
        "latencies_ms": percentiles_ms(took),
    }


def _whole_body(received: bytes) -> bytes | None:
    head, blank, body = received.partition(b"\r\n\r\n")
    if not blank:
        return None
    if not head.startswith((b"HTTP/1.1 200", b"HTTP/1.1 201")):
        raise SystemExit(f"refused: {received[:2000]!r}")
    headers = head.lower()
    if b"\r\ntransfer-encoding: chunked" in headers:
        is_whole = body == b"0\r\n\r\n" or body.endswith(b"\r\n0\r\n\r\n")
        return _joined(body) if is_whole else None
    length = int(headers.partition(b"content-length:")[2].split(b"\r\n", 1)[0])
    return body if len(body) >= length else None


def _joined(chunks: bytes) -> bytes:
    parts = []
    while chunks:
        size, _, rest = chunks.partition(b"\r\n")
        length = int(size, 16)
        parts.append(rest[:length])
        chunks = rest[length + 2 :]
    return b"".join(parts)


if __name__ == "__main__":
    json.dump(play(Scene(**json.load(sys.stdin))), sys.stdout)
