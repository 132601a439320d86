import contextlib
import os
import socket
import threading
from collections.abc import Iterator

import pytest
import redis
from django.conf import settings

from paycore.quick_redis import QuickRedis, RedisAway, Script

ADD = Script("return redis.call('INCRBY', KEYS[1], ARGV[1])")


@pytest.fixture
def quick() -> QuickRedis:
    return QuickRedis(settings.REDIS_URL)


@pytest.fixture
def key(redis_client: redis.Redis) -> Iterator[str]:
    name = f"test:quick:{os.urandom(6).hex()}"
    yield name
    redis_client.delete(name)


@pytest.fixture
def silent_server() -> Iterator[int]:
    """Takes connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_a_script_runs_also_when_redis_has_forgotten_it(quick: QuickRedis, redis_client: redis.Redis, key: str) -> None:
    assert quick.run(ADD, keys=[key], arguments=[2]) == 2
    redis_client.script_flush()
    assert quick.run(ADD, keys=[key], arguments=[3]) == 5


def test_a_connection_that_was_closed_meanwhile_is_opened_again(
    quick: QuickRedis, redis_client: redis.Redis, key: str
) -> None:
    quick.run(ADD, keys=[key], arguments=[1])
    redis_client.client_kill_filter(_type="normal", skipme=True)
    assert quick.run(ADD, keys=[key], arguments=[1]) == 2


def test_threads_do_not_take_each_others_answers(quick: QuickRedis) -> None:
    echo = Script("return ARGV[1]")
    wrong: list[str] = []

    def ask(number: int) -> None:
        for turn in range(200):
            sent = f"{number}:{turn}"
            if quick.run(echo, keys=[], arguments=[sent]).decode() != sent:
                wrong.append(sent)

    threads = [threading.Thread(target=ask, args=(n,)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_a_silent_redis_is_asked_once_a_second(silent_server: int, monkeypatch: pytest.MonkeyPatch) -> None:
    quick, asked = QuickRedis(f"redis://127.0.0.1:{silent_server}/0"), []
    ask = quick._ask

    def note(*arguments: object) -> object:
        asked.append(1)
        return ask(*arguments)

    monkeypatch.setattr(quick, "_ask", note)
    for _turn in range(20):
        with pytest.raises(RedisAway):
            quick.run(ADD, keys=["k"], arguments=[1])
    assert len(asked) <= 1


def test_an_answer_that_came_too_late_is_not_taken_for_the_next_one() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=_answer_late_then_at_once, args=(server,), daemon=True).start()
        quick = QuickRedis(f"redis://127.0.0.1:{server.getsockname()[1]}/0?protocol=2")
        with pytest.raises(RedisAway):
            quick.run(ADD, keys=["k"], arguments=[1])
        threading.Event().wait(0.3)
        quick._down_until = 0.0
        assert quick.run(ADD, keys=["k"], arguments=[1]) == 7


def _answer_late_then_at_once(server: socket.socket) -> None:
    first, _address = server.accept()
    threading.Thread(target=_serve, args=(first, b":13\r\n", 0.25), daemon=True).start()
    second, _address = server.accept()
    _serve(second, b":7\r\n", 0.0)


def _serve(connection: socket.socket, answer: bytes, seconds: float) -> None:
    """Says OK to what a client says of itself, and gives ``answer`` to scripts."""
    with connection:
        while data := connection.recv(65536):
            commands = data.count(b"CLIENT")
            if commands:
                connection.sendall(b"+OK\r\n" * commands)
            if b"EVAL" in data:
                threading.Event().wait(seconds)
                with contextlib.suppress(OSError):
                    connection.sendall(answer)


def test_a_refusal_of_redis_counts_as_away(quick: QuickRedis) -> None:
    with pytest.raises(RedisAway):
        quick.run(Script("return redis.error_reply('READONLY you cannot write')"), keys=[], arguments=[])
