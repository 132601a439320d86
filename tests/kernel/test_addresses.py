import socket
import time
from typing import Any

import pytest

from paycore import addresses
from paycore.addresses import NameNotFound, NotPublic, check_public_url, is_public, resolve, resolve_public


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "0.0.0.0", "255.255.255.255", "224.0.0.1",
     "100.64.0.1", "198.18.0.1", "192.0.0.8", "192.88.99.1", "240.0.0.1", "::1", "::", "fe80::1", "fe80::1%eth0",
     "fc00::1", "fec0::1", "ff02::1", "::ffff:127.0.0.1", "::ffff:8.8.8.8", "::127.0.0.1", "64:ff9b::7f00:1",
     "64:ff9b:1::1", "2002:7f00:1::", "2001:0:4136:e378::1", "2001:db8::1", "not-an-ip", ""],
)  # fmt: skip
def test_addresses_off_the_public_internet_are_known(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", ["8.8.8.8", "1.1.1.1", "93.184.216.34", "2606:4700:4700::1111"])
def test_public_addresses_are_known(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    "url",
    ["http://example.com/", "ftp://example.com", "https://user@example.com/", "https://user:pw@example.com/",
     "https://example.com:22/", "https://example.com:80/", "https://localhost/", "https://localhost./", "https://intranet/",
     "https://127.0.0.1/", "https://[::1]/", "https://[::ffff:7f00:1]/", "https://2130706433/", "https:///x", "https://",
     "https://example.com:99999/", "https://[::1", "javascript:alert(1)", "//example.com", ""],
)  # fmt: skip
def test_urls_that_a_user_may_not_name(url: str) -> None:
    with pytest.raises(NotPublic):
        check_public_url(url)


@pytest.mark.parametrize("url", ["https://hooks.example.com/a?b=1", "https://example.com:8443/", "https://8.8.8.8/"])
def test_urls_that_a_user_may_name(url: str) -> None:
    assert check_public_url(url).scheme == "https"


def answer(*found: str) -> Any:
    return lambda host, port, **_: [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in found]


@pytest.mark.parametrize("found", [["127.0.0.1"], ["8.8.8.8", "10.0.0.1"], ["::ffff:10.0.0.1"], []])
def test_one_private_answer_spoils_a_name(monkeypatch: pytest.MonkeyPatch, found: list[str]) -> None:
    monkeypatch.setattr(addresses.socket, "getaddrinfo", answer(*found))
    with pytest.raises(NotPublic):
        resolve_public("hooks.example.com", 443, timeout_seconds=1)


def test_public_answers_are_given_in_order_without_repeats(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(addresses.socket, "getaddrinfo", answer("8.8.8.8", "1.1.1.1", "8.8.8.8"))
    assert resolve_public("hooks.example.com", 443, timeout_seconds=1) == ["8.8.8.8", "1.1.1.1"]


def test_a_name_server_that_hangs_costs_no_more_than_the_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(addresses.socket, "getaddrinfo", lambda *_a, **_k: time.sleep(1))
    started = time.monotonic()
    with pytest.raises(NameNotFound):
        resolve("hooks.example.com", 443, timeout_seconds=0.1)
    assert time.monotonic() - started < 0.6


def test_a_name_that_does_not_exist_is_said_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_a: Any, **_k: Any) -> None:
        raise socket.gaierror(-2, "unknown")

    monkeypatch.setattr(addresses.socket, "getaddrinfo", refuse)
    with pytest.raises(NameNotFound):
        resolve("nowhere.example", 443, timeout_seconds=1)
