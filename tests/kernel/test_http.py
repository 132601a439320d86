import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from django.db import connection, transaction

from paycore import addresses
from paycore.http import (
    AddressRefused,
    BulkheadFull,
    CircuitOpen,
    MayHaveArrived,
    NothingSent,
    OutboundClient,
    OutboundRequest,
    TransactionOpen,
    refuse_open_transaction,
)

Behaviour = Callable[[socket.socket, bytes], None]


def read_request(peer: socket.socket) -> bytes:
    """One whole request: headers and as many bytes of body as they announce."""
    raw = b""
    while b"\r\n\r\n" not in raw:
        piece = peer.recv(65536)
        if not piece:
            return raw
        raw += piece
    head, _, body = raw.partition(b"\r\n\r\n")
    length = next(
        (int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length")), 0
    )
    while len(body) < length:
        body += peer.recv(65536)
    return head + b"\r\n\r\n" + body


class Server:
    """A bare socket server, so that a test decides every byte and pause."""

    def __init__(self, behaviour: Behaviour) -> None:
        self.behaviour = behaviour
        self.requests: list[bytes] = []
        self.connections = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                peer, _address = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._serve, args=(peer,), daemon=True).start()

    def _serve(self, peer: socket.socket) -> None:
        try:
            while request := read_request(peer):
                self.requests.append(request)
                self.behaviour(peer, request)
        except OSError:
            pass
        finally:
            peer.close()

    def close(self) -> None:
        self._listener.close()


@contextmanager
def serving(behaviour: Behaviour) -> Iterator[Server]:
    server = Server(behaviour)
    try:
        yield server
    finally:
        server.close()


@pytest.fixture
def client() -> Iterator[OutboundClient]:
    client = OutboundClient(failures_to_open=3, cool_off_seconds=0.3, max_in_flight_per_host=2)
    yield client
    client.close()


def answer(status: int = 200, body: bytes = b"ok", extra: bytes = b"") -> Behaviour:
    head = b"HTTP/1.1 %d X\r\nContent-Length: %d\r\nX-A: 1\r\nX-A: 2\r\n%s\r\n" % (status, len(body), extra)
    return lambda peer, _request: peer.sendall(head + body)


def drip(data: bytes, pause: float) -> Behaviour:
    def behave(peer: socket.socket, _request: bytes) -> None:
        for position in range(len(data)):
            peer.sendall(data[position : position + 1])
            time.sleep(pause)

    return behave


def silence(peer: socket.socket, _request: bytes) -> None:
    time.sleep(5)


def reset(peer: socket.socket, _request: bytes) -> None:
    peer.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    peer.close()


def hang_up(peer: socket.socket, _request: bytes) -> None:
    peer.close()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.mark.parametrize("status", [200, 201, 302, 404, 422, 500, 503])
def test_any_status_is_an_answer_and_nothing_is_followed_or_repeated(client: OutboundClient, status: int) -> None:
    with serving(answer(status, b'{"a":1}', b"Location: /elsewhere\r\n")) as server:
        response = client.send(
            OutboundRequest(
                "POST", f"{server.url}/v1/payments?x=1", {"Authorization": "Bearer k", "X-Key": "1"}, b"body"
            )
        )
        assert (response.status, response.body, response.headers["x-a"]) == (status, b'{"a":1}', "1, 2")
        assert len(server.requests) == 1
        request = server.requests[0].lower()
        assert request.startswith(b"post /v1/payments?x=1 http/1.1\r\n")
        assert b"\r\nhost: 127.0.0.1:%d\r\n" % server.port in request
        assert request.endswith(b"\r\n\r\nbody")
        assert request.count(b"content-length: 4") == 1
        assert request.count(b"authorization: bearer k") == 1


def test_a_connection_is_used_again(client: OutboundClient) -> None:
    with serving(answer()) as server:
        for _ in range(3):
            client.send(OutboundRequest("GET", server.url))
        assert (len(server.requests), server.connections) == (3, 1)


@pytest.mark.parametrize(
    "behaviour",
    [
        pytest.param(drip(b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 50, 0.05), id="slow headers"),
        pytest.param(drip(b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n" + b"x" * 500, 0.005), id="slow body"),
        pytest.param(silence, id="silence"),
    ],
)
def test_the_deadline_is_total_however_the_answer_drips(client: OutboundClient, behaviour: Behaviour) -> None:
    with serving(behaviour) as server:
        started = time.monotonic()
        with pytest.raises(MayHaveArrived):
            client.send(OutboundRequest("POST", server.url, body=b"x", deadline_seconds=0.4))
        assert 0.3 < time.monotonic() - started < 0.9
        assert len(server.requests) == 1


def test_a_peer_that_stops_reading_does_not_hold_us(client: OutboundClient) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        started = time.monotonic()
        with pytest.raises(MayHaveArrived):
            client.send(OutboundRequest("POST", url, body=b"x" * 20_000_000, deadline_seconds=0.4))
        assert time.monotonic() - started < 0.9


@pytest.mark.parametrize("behaviour", [reset, hang_up], ids=["reset", "hang-up"])
def test_a_torn_answer_may_have_arrived(client: OutboundClient, behaviour: Behaviour) -> None:
    with serving(behaviour) as server:
        with pytest.raises(MayHaveArrived):
            client.send(OutboundRequest("POST", server.url, body=b"x"))
        assert len(server.requests) == 1


@pytest.mark.parametrize(
    "raw",
    [b"nonsense\r\n\r\n", b"HTTP/1.1 abc X\r\n\r\n", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"],
)
def test_an_answer_that_is_no_http_may_have_arrived(client: OutboundClient, raw: bytes) -> None:
    with serving(lambda peer, _request: peer.sendall(raw)) as server, pytest.raises(MayHaveArrived):
        client.send(OutboundRequest("POST", server.url, deadline_seconds=1))


def test_a_huge_answer_is_cut_off(client: OutboundClient) -> None:
    def endless(peer: socket.socket, _request: bytes) -> None:
        peer.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while True:
            peer.sendall(b"10000\r\n" + b"x" * 65536 + b"\r\n")

    with serving(endless) as server, pytest.raises(MayHaveArrived, match="too large"):
        client.send(OutboundRequest("GET", server.url, max_response_bytes=300_000, deadline_seconds=5))


def test_a_refused_connection_sent_nothing(client: OutboundClient) -> None:
    with pytest.raises(NothingSent):
        client.send(OutboundRequest("POST", f"http://127.0.0.1:{free_port()}", body=b"x"))


def test_a_name_that_is_not_found_sent_nothing(client: OutboundClient, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_a: object, **_k: object) -> None:
        raise socket.gaierror(-2, "unknown")

    monkeypatch.setattr(addresses.socket, "getaddrinfo", refuse)
    with pytest.raises(NothingSent):
        client.send(OutboundRequest("POST", "http://nowhere.example/"))


def test_tls_to_something_else_sent_nothing(client: OutboundClient) -> None:
    with serving(answer()) as server, pytest.raises(NothingSent):
        client.send(OutboundRequest("POST", server.url.replace("http:", "https:"), body=b"x", deadline_seconds=2))


def test_a_host_that_keeps_failing_is_left_alone_then_probed(client: OutboundClient) -> None:
    with serving(answer()) as server:
        dead = OutboundRequest("GET", f"http://127.0.0.1:{free_port()}")
        for _ in range(3):
            with pytest.raises(NothingSent):
                client.send(dead)
        started = time.monotonic()
        with pytest.raises(CircuitOpen):
            client.send(dead)
        assert time.monotonic() - started < 0.1
        assert client.send(OutboundRequest("GET", server.url)).status == 200  # other hosts are not touched
    time.sleep(0.35)
    with pytest.raises(NothingSent) as probe:
        client.send(dead)
    assert not isinstance(probe.value, CircuitOpen)


def test_errors_of_the_provider_do_not_open_the_circuit(client: OutboundClient) -> None:
    with serving(answer(503)) as server:
        assert [client.send(OutboundRequest("GET", server.url)).status for _ in range(10)] == [503] * 10


def test_a_slow_host_takes_only_its_own_slots(client: OutboundClient) -> None:
    def late(peer: socket.socket, _request: bytes) -> None:
        time.sleep(0.8)
        peer.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    with serving(late) as slow, serving(answer()) as quick:
        threads = [threading.Thread(target=client.send, args=(OutboundRequest("GET", slow.url),)) for _ in range(2)]
        for thread in threads:
            thread.start()
        time.sleep(0.1)
        with pytest.raises(BulkheadFull):
            client.send(OutboundRequest("GET", slow.url))
        assert client.send(OutboundRequest("GET", quick.url)).status == 200
        for thread in threads:
            thread.join()
        assert len(slow.requests) == 2


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:{port}/", "https://127.0.0.1:{port}/", "https://localhost:8443/", "ftp://x.example/"]
)
def test_a_users_address_never_reaches_this_machine(client: OutboundClient, url: str) -> None:
    with serving(answer()) as server:
        with pytest.raises(AddressRefused):
            client.send(OutboundRequest("POST", url.format(port=server.port), public_only=True))
        assert server.connections == 0


def test_a_name_that_turns_private_after_the_check_is_not_followed(
    client: OutboundClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = [["8.8.8.8"], ["127.0.0.1"]]
    asked: list[str] = []
    reached: list[str] = []

    def rebinding(host: str, port: int, **_: object) -> list[tuple[object, ...]]:
        asked.append(host)
        found = answers[min(len(asked), len(answers)) - 1]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in found]

    def connect(address: tuple[str, int], *_a: object, **_k: object) -> socket.socket:
        reached.append(address[0])
        raise ConnectionRefusedError

    monkeypatch.setattr(addresses.socket, "getaddrinfo", rebinding)
    monkeypatch.setattr(socket, "create_connection", connect)
    with pytest.raises(NothingSent):
        client.send(OutboundRequest("POST", "https://hooks.example.com/", public_only=True))
    assert (asked, reached) == (["hooks.example.com"], ["8.8.8.8"])
    with pytest.raises(AddressRefused):
        client.send(OutboundRequest("POST", "https://hooks.example.com/", public_only=True))
    assert reached == ["8.8.8.8"]


def test_the_log_names_host_and_outcome_but_no_ids_queries_or_bodies(
    client: OutboundClient, caplog: pytest.LogCaptureFixture
) -> None:
    with serving(answer()) as server, caplog.at_level("INFO"):
        url = f"{server.url}/v1/payments/pay_01jd3z9h8k7m/refunds?token=hidden-query"
        client.send(OutboundRequest("POST", url, {"Authorization": "Bearer hidden-header"}, b"hidden-body"))
    [record] = [record for record in caplog.records if "outbound_call" in str(record.msg)]
    assert "/v1/payments/{id}/refunds" in str(record.msg)
    assert "hidden" not in str(record.msg)
    assert "pay_01jd" not in str(record.msg)


def test_the_log_does_not_know_the_path_of_an_address_that_a_user_gave(caplog: pytest.LogCaptureFixture) -> None:
    client = OutboundClient(allows_private=True)
    with serving(answer()) as server, caplog.at_level("INFO"):
        client.send(OutboundRequest("POST", f"{server.url}/services/AbCdEfGh/hook", public_only=True))
    client.close()
    [record] = [record for record in caplog.records if "outbound_call" in str(record.msg)]
    assert "127.0.0.1" in str(record.msg)
    assert "AbCdEfGh" not in str(record.msg)


@pytest.mark.django_db
def test_django_test_cases_own_transaction_does_not_count_but_ours_does(client: OutboundClient) -> None:
    assert connection.in_atomic_block
    refuse_open_transaction()
    with serving(answer()) as server:
        with transaction.atomic(), pytest.raises(TransactionOpen):
            client.send(OutboundRequest("POST", server.url))
        assert server.requests == []
        assert client.send(OutboundRequest("POST", server.url)).status == 200


@pytest.mark.django_db(transaction=True)
def test_a_call_inside_a_real_transaction_is_a_bug(client: OutboundClient) -> None:
    refuse_open_transaction()
    with transaction.atomic(), pytest.raises(TransactionOpen):
        refuse_open_transaction()
    refuse_open_transaction()
