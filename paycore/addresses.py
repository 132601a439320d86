"""Which network addresses may be spoken to when the address came from a user (SSRF guard).

Not a list of bad names: the name is resolved once, every answer must be a public unicast address, and the connection
goes to an address that was checked, so that a second look-up cannot say something else (rebinding).
"""

import ipaddress
import socket
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as LookUpTimeout
from functools import cache
from urllib.parse import SplitResult, urlsplit

PUBLIC_PORTS = frozenset({443, 8443})

# Public by the letter, yet they lead to an IPv4 address of the sender's choosing or to relays.
_TUNNELS = tuple(
    map(
        ipaddress.ip_network,
        (
            "::ffff:0:0/96",  # IPv4-mapped
            "::/96",  # IPv4-compatible
            "64:ff9b::/96",  # NAT64
            "64:ff9b:1::/48",  # local NAT64
            "2002::/16",  # 6to4
            "2001::/32",  # Teredo
            "fec0::/10",  # site-local, deprecated
            "192.88.99.0/24",  # 6to4 relays
            "192.0.0.0/24",  # IETF protocol assignments
        ),
    )
)
_BROADEST_LITERAL = 45  # characters of the longest IPv6 text


class NameNotFound(OSError):
    """The name does not resolve, or not in time. Nothing was sent."""


class NotPublic(ValueError):
    """The address may not be used by a user's request; the text says why."""


def is_public(address: str) -> bool:
    """Whether ``address`` (an IP literal) is a public unicast address."""
    try:
        ip = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    is_special = ip.is_multicast or ip.is_reserved or ip.is_unspecified or ip.is_loopback or ip.is_link_local
    return (
        ip.is_global
        and not is_special
        and not any(ip in network for network in _TUNNELS if network.version == ip.version)
    )


def check_public_url(url: str) -> SplitResult:
    """Refuses what can be refused without a look-up: scheme, port, user info, literal addresses that are not public."""
    try:
        parts = urlsplit(url)
        port = parts.port or 443
    except ValueError as error:
        raise NotPublic("The address cannot be read.") from error
    if parts.scheme != "https":
        raise NotPublic("The address must begin with https://.")
    if parts.username is not None or parts.password is not None:
        raise NotPublic("The address must not contain a user name or password.")
    if port not in PUBLIC_PORTS:
        raise NotPublic("The port must be 443 or 8443.")
    host = (parts.hostname or "").rstrip(".")
    if "." not in host and ":" not in host:
        raise NotPublic("The address needs a full host name.")
    if _is_literal(host) and not is_public(host):
        raise NotPublic("The address is not on the public internet.")
    return parts


def resolve(host: str, port: int, *, timeout_seconds: float) -> list[str]:
    """The IP addresses of ``host``, in the system's order. Raises :class:`NameNotFound`."""
    if _is_literal(host):
        return [host]
    # getaddrinfo knows no time-out of its own, and a total deadline must cover it.
    look_up: Future[list[str]] = _look_ups().submit(_look_up, host, port)
    try:
        return look_up.result(timeout=timeout_seconds)
    except LookUpTimeout as error:
        raise NameNotFound(f"{host} was not resolved in time") from error
    except (OSError, UnicodeError) as error:
        raise NameNotFound(f"{host} does not resolve") from error


def resolve_public(host: str, port: int, *, timeout_seconds: float) -> list[str]:
    """As :func:`resolve`; one address that is not public spoils them all. Raises :class:`NotPublic` too."""
    addresses = resolve(host, port, timeout_seconds=timeout_seconds)
    if not addresses or not all(map(is_public, addresses)):
        raise NotPublic("The address is not on the public internet.")
    return addresses


def _is_literal(host: str) -> bool:
    if len(host) > _BROADEST_LITERAL:
        return False
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _look_up(host: str, port: int) -> list[str]:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


@cache
def _look_ups() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(max_workers=8, thread_name_prefix="look-up")
