"""The one way out: every HTTP call paycore makes.

Each call has a total deadline over name look-up, connect, TLS, writing, headers and body; never follows a redirect and
never repeats itself. An error says whether the request may have arrived, for that decides what a payment may do next.
"""

import os
import re
import ssl
import time
from collections.abc import Iterable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import cache
from threading import Lock
from typing import Any
from urllib.parse import SplitResult, urlsplit

import certifi
import httpcore
from django.conf import settings
from django.db import connections

from paycore import addresses
from paycore.circuit import CircuitIsOpen, HostGuard, NoRoom
from paycore.logs import get_logger

log = get_logger(__name__)

MAX_RESPONSE_BYTES = 4 * 1024 * 1024
_SECONDS_TO_WAIT_FOR_A_SLOT = 0.2
_MAX_ADDRESSES_TRIED = 2
_ID_SEGMENT = re.compile(r"/(?=[^/]*\d)[^/]{6,}")


class OutboundError(Exception):
    """The call brought no answer."""


class NothingSent(OutboundError):
    """No byte of the request left: it is safe to try elsewhere."""


class CircuitOpen(NothingSent):
    """The host failed repeatedly just now and is left alone for some seconds."""


class BulkheadFull(NothingSent):
    """Too many calls to this host are under way in this process."""


class AddressRefused(NothingSent):
    """The address is not one that a user's request may reach."""


class MayHaveArrived(OutboundError):
    """The request, or a part of it, was sent and no usable answer came: only asking tells what happened."""


class TransactionOpen(RuntimeError):
    """A bug: the network was about to be used inside a database transaction."""


@dataclass(frozen=True, slots=True)
class OutboundRequest:
    """``public_only`` for addresses that users supply: https, ports 443 and 8443, public addresses only."""

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    deadline_seconds: float = 8.0
    max_response_bytes: int = MAX_RESPONSE_BYTES
    public_only: bool = False


@dataclass(frozen=True, slots=True)
class OutboundResponse:
    """Any status is an answer. Header names are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def refuse_open_transaction() -> None:
    """Raises :class:`TransactionOpen` inside ``atomic`` (the ones that Django's own test cases open do not count)."""
    for connection in connections.all(initialized_only=True):
        if any(not getattr(block, "_from_testcase", False) for block in connection.atomic_blocks):
            raise TransactionOpen("No transaction may be open across the network: commit first, then call.")


class _Attempt:
    """What the network layer must know about the call this thread is making."""

    __slots__ = ("has_sent", "must_end_at")

    def __init__(self, deadline_seconds: float) -> None:
        self.must_end_at = time.monotonic() + deadline_seconds
        self.has_sent = False

    def remaining_seconds(self, too_late: type[Exception]) -> float:
        left = self.must_end_at - time.monotonic()
        if left <= 0:
            raise too_late("the deadline passed")
        return left


_attempt: ContextVar[_Attempt] = ContextVar("paycore_outbound_attempt")


class _Stream(httpcore.NetworkStream):
    """A connection on which every single operation gets only what is left of the call's deadline."""

    def __init__(self, stream: httpcore.NetworkStream) -> None:
        self._stream = stream
        self._socket = stream.get_extra_info("socket")

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, _attempt.get().remaining_seconds(httpcore.ReadTimeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        attempt = _attempt.get()
        attempt.has_sent = attempt.has_sent or bool(buffer)
        view = memoryview(buffer)
        try:
            while view:
                self._socket.settimeout(attempt.remaining_seconds(httpcore.WriteTimeout))
                view = view[self._socket.send(view) :]
        except TimeoutError as error:
            raise httpcore.WriteTimeout(str(error)) from error
        except OSError as error:
            raise httpcore.WriteError(str(error)) from error

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        left = _attempt.get().remaining_seconds(httpcore.ConnectTimeout)
        return _Stream(self._stream.start_tls(ssl_context, server_hostname, left))

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


class _Backend(httpcore.NetworkBackend):
    """Resolves and connects within the deadline; with ``public_only`` only to addresses it has checked."""

    def __init__(self, *, public_only: bool) -> None:
        self._resolve = addresses.resolve_public if public_only else addresses.resolve
        self._sockets = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        attempt = _attempt.get()
        left = attempt.remaining_seconds(httpcore.ConnectTimeout)
        candidates = self._resolve(host, port, timeout_seconds=left)[:_MAX_ADDRESSES_TRIED]
        for position, address in enumerate(candidates):
            left = attempt.remaining_seconds(httpcore.ConnectTimeout)
            try:
                return _Stream(self._sockets.connect_tcp(address, port, left / (len(candidates) - position)))
            except (httpcore.ConnectError, httpcore.ConnectTimeout):
                if position == len(candidates) - 1:
                    raise
        raise httpcore.ConnectError(f"{host} has no address")


_NETWORK_FAILURES = (httpcore.TimeoutException, httpcore.NetworkError, httpcore.ProtocolError, OSError)


class OutboundClient:
    """Holds the connections of one process. Thread-safe."""

    def __init__(
        self,
        *,
        max_in_flight_per_host: int = 32,
        failures_to_open: int = 5,
        cool_off_seconds: float = 10.0,
        allows_private: bool = False,
        ssl_context: ssl.SSLContext | None = None,
    ) -> None:
        self._limits = {
            "max_in_flight": max_in_flight_per_host,
            "failures_to_open": failures_to_open,
            "cool_off_seconds": cool_off_seconds,
        }
        self._allows_private = allows_private
        self._guards: dict[str, HostGuard] = {}
        self._lock = Lock()
        context = ssl_context or ssl.create_default_context(cafile=certifi.where())
        # Two pools: a connection that was made without the check must never serve a call that needs it.
        self._pools = {
            public_only: httpcore.ConnectionPool(
                ssl_context=context,
                max_connections=256,
                max_keepalive_connections=32,
                keepalive_expiry=15.0,
                network_backend=_Backend(public_only=public_only),
            )
            for public_only in (False, True)
        }

    def send(self, request: OutboundRequest) -> OutboundResponse:
        """One request, one answer of any status, or :class:`NothingSent` or :class:`MayHaveArrived`."""
        refuse_open_transaction()
        started = time.monotonic()
        is_guarded = request.public_only and not self._allows_private
        parts = _checked(request.url, is_guarded=is_guarded)
        outcome: int | str = "failed"
        try:
            response = self._admit(request, parts, is_guarded=is_guarded)
            outcome = response.status
        except OutboundError as error:
            outcome = type(error).__name__
            raise
        finally:
            log.info(
                "outbound_call",
                method=request.method,
                host=parts.hostname,
                # The path of an address that a user gave may be the receiver's secret.
                path="" if request.public_only else _ID_SEGMENT.sub("/{id}", parts.path),
                outcome=outcome,
                milliseconds=round((time.monotonic() - started) * 1000, 1),
            )
        return response

    def close(self) -> None:
        for pool in self._pools.values():
            pool.close()

    def _admit(self, request: OutboundRequest, parts: SplitResult, *, is_guarded: bool) -> OutboundResponse:
        guard = self._guard(f"{parts.scheme}://{parts.netloc}")
        try:
            with guard.admitted(wait_seconds=min(_SECONDS_TO_WAIT_FOR_A_SLOT, request.deadline_seconds)):
                return self._attempt(request, guard, pool=self._pools[is_guarded])
        except CircuitIsOpen:
            raise CircuitOpen(f"{parts.hostname} failed repeatedly and is left alone") from None
        except NoRoom:
            raise BulkheadFull(f"too many calls to {parts.hostname} are under way") from None

    def _attempt(
        self, request: OutboundRequest, guard: HostGuard, *, pool: httpcore.ConnectionPool
    ) -> OutboundResponse:
        attempt = _Attempt(request.deadline_seconds)
        token = _attempt.set(attempt)
        try:
            response = _exchange(request, pool)
        except addresses.NotPublic as error:
            raise AddressRefused(str(error)) from error
        except _NETWORK_FAILURES as error:
            guard.record(ok=False)
            what = f"{type(error).__name__}: {error}"
            raise (MayHaveArrived(what) if attempt.has_sent else NothingSent(what)) from error
        finally:
            _attempt.reset(token)
        guard.record(ok=True)
        return response

    def _guard(self, origin: str) -> HostGuard:
        with self._lock:
            if len(self._guards) > 10_000:  # merchants' addresses; health is worth forgetting
                self._guards.clear()
            return self._guards.setdefault(origin, HostGuard(**self._limits))  # type: ignore[arg-type]  # int and float by name


def _checked(url: str, *, is_guarded: bool) -> SplitResult:
    if is_guarded:
        try:
            return addresses.check_public_url(url)
        except addresses.NotPublic as error:
            raise AddressRefused(str(error)) from error
    try:
        parts = urlsplit(url)
        is_usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_usable = False
    if not is_usable:
        raise AddressRefused("The address cannot be used.")
    return parts


def _exchange(request: OutboundRequest, pool: httpcore.ConnectionPool) -> OutboundResponse:
    try:
        url = httpcore.URL(request.url)
    except (UnicodeError, ValueError) as error:
        raise addresses.NotPublic("The address must be written in ASCII (punycode, percent signs).") from error
    headers = {
        "host": _host_header(url),
        "accept-encoding": "identity",
        "user-agent": "paycore",
        "content-length": str(len(request.body)),
    }
    headers |= {name.lower(): value for name, value in request.headers.items()}
    waiting = {"timeout": {"pool": request.deadline_seconds}}
    with pool.stream(
        request.method, url, headers=list(headers.items()), content=request.body, extensions=waiting
    ) as response:
        body = bytearray()
        for chunk in response.iter_stream():
            body += chunk
            if len(body) > request.max_response_bytes:
                raise httpcore.RemoteProtocolError("the answer is too large")
        return OutboundResponse(response.status, _joined(response.headers), bytes(body))


def _host_header(url: httpcore.URL) -> str:
    host = url.host.decode()
    host = f"[{host}]" if ":" in host else host
    is_usual = url.port in (None, {b"http": 80, b"https": 443}[url.scheme])
    return host if is_usual else f"{host}:{url.port}"


def _joined(headers: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    joined: dict[str, str] = {}
    for raw_name, raw_value in headers:
        name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
        joined[name] = f"{joined[name]}, {value}" if name in joined else value
    return joined


def client() -> OutboundClient:
    """This process's client."""
    return _client_of(os.getpid())


@cache
def _client_of(_process_id: int) -> OutboundClient:
    """One per process: sockets must not be shared over a fork."""
    return OutboundClient(allows_private=getattr(settings, "PAYCORE_OUTBOUND_PRIVATE_ALLOWED", False))
