"""The HTTP client against servers that redirect, fail, lie, drip and hang up."""

from __future__ import annotations

import base64
import gzip
import itertools
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.hand_server import Answer, Asked, hand

from lockgen.errors import LockgenError, ToolFailed
from lockgen.io import transport as http_module
from lockgen.io.http import Http

pytestmark = pytest.mark.usefixtures("own_caches")

SECRET = "s3cr%2Ft"
BASIC = "Basic " + base64.b64encode(b"user:s3cr/t").decode()


def shown(error: LockgenError) -> str:
    """All text that lockgen shows of ``error``."""
    return " ".join(f"{fault.message} {fault.hint} {fault.reason}" for fault in error.faults)


def fails(url: str, **options: object) -> str:
    with pytest.raises(ToolFailed) as caught:
        Http().get(url, **options)  # type: ignore[arg-type]
    text = shown(caught.value)
    assert "s3cr" not in text
    assert "user" not in text
    return text


def with_userinfo(url: str) -> str:
    return url.replace("http://", f"http://user:{SECRET}@")


# -- credentials ------------------------------------------------------------------


def test_userinfo_reaches_its_own_host_and_no_header_or_path_else() -> None:
    with hand(lambda asked: Answer(200, b"ok")) as server:
        client = Http()
        answer = client.get(with_userinfo(server.url) + "/a")
        assert (answer.url, answer.body) == (server.url + "/a", b"ok")
        client.get(server.url + "/b")
    assert [(asked.path, asked.headers["authorization"]) for asked in server.asked] == [("/a", BASIC), ("/b", BASIC)]


def test_credentials_are_not_shared_between_clients() -> None:
    with hand(lambda asked: Answer(200)) as server:
        Http().get(with_userinfo(server.url))
        Http().get(server.url)
    assert ["authorization" in asked.headers for asked in server.asked] == [True, False]


def test_a_page_cannot_replace_the_credentials_of_its_host() -> None:
    with hand(lambda asked: Answer(200)) as server:
        client = Http()
        client.get(with_userinfo(server.url))
        client.get(server.url.replace("http://", "http://other:secret@"))
    assert [asked.headers["authorization"] for asked in server.asked] == [BASIC, BASIC]


@pytest.mark.parametrize("source", ["url", "netrc"])
def test_a_redirect_to_another_host_carries_no_credentials(source: str, tmp_path: Path) -> None:
    if source == "netrc":
        (tmp_path / "netrc").write_text("machine 127.0.0.1 login user password s3cr/t\n")

    def respond(asked: Asked) -> Answer:
        if asked.path == "/from":
            return Answer(302, headers={"Location": f"http://localhost:{server.port}/to"})
        return Answer(200, b"there")

    with hand(respond) as server:
        base = with_userinfo(server.url) if source == "url" else server.url
        answer = Http().get(base + "/from")
    assert answer.body == b"there"
    assert answer.url == f"http://localhost:{server.port}/to"
    first, second = server.asked
    assert first.headers["authorization"] == BASIC
    assert "authorization" not in second.headers
    assert "cookie" not in second.headers


def test_a_redirect_to_another_port_carries_no_credentials() -> None:
    with (
        hand(lambda asked: Answer(200)) as other,
        hand(lambda asked: Answer(301, headers={"Location": other.url + "/to"})) as server,
    ):
        Http().get(with_userinfo(server.url) + "/from")
    assert "authorization" in server.asked[0].headers
    assert "authorization" not in other.asked[0].headers


def test_a_redirect_on_the_same_host_keeps_them() -> None:
    def respond(asked: Asked) -> Answer:
        return Answer(302, headers={"Location": "/to"}) if asked.path == "/from" else Answer(200)

    with hand(respond) as server:
        Http().get(with_userinfo(server.url) + "/from")
    assert [asked.headers["authorization"] for asked in server.asked] == [BASIC, BASIC]


@pytest.mark.parametrize("status", [401, 403])
def test_refused_access_says_where_credentials_go(status: int) -> None:
    with hand(lambda asked: Answer(status, b"user s3cr/t")) as server:
        text = fails(with_userinfo(server.url) + "/simple/?token=s3cr")
    assert f"{server.url}/simple/ refuses access: HTTP {status}" in text
    assert ".netrc" in text
    assert len(server.asked) == 1


def test_endless_redirects_are_refused() -> None:
    with hand(lambda asked: Answer(302, headers={"Location": f"/{len(asked.path)}" + asked.path})) as server:
        assert "could not be read" in fails(with_userinfo(server.url) + "/?token=s3cr")
    assert len(server.asked) < 50


@pytest.mark.parametrize("target", ["file:///etc/passwd", "http://[::", "gopher://x/"])
def test_a_redirect_to_an_invalid_url(target: str) -> None:
    with hand(lambda asked: Answer(302, headers={"Location": target})) as server:
        fails(with_userinfo(server.url))


@pytest.mark.parametrize(
    "url", ["http://[", "file:///etc/passwd", "ftp://x.example/", "nonsense", "http://", "http://\ud800/"]
)
def test_an_invalid_url(url: str) -> None:
    fails(url)


# -- failures -----------------------------------------------------------------------


@pytest.mark.parametrize("status", [500, 503, 429])
def test_a_request_to_a_server_that_recovers_is_repeated(status: int) -> None:
    answers = iter([Answer(status), Answer(status), Answer(200, b"at last")])
    with hand(lambda asked: next(answers)) as server:
        assert Http().get(server.url).body == b"at last"
    assert len(server.asked) == 3


def test_a_server_that_does_not_recover() -> None:
    with hand(lambda asked: Answer(503)) as server:
        assert f"{server.url}/x answers HTTP 503" in fails(with_userinfo(server.url) + "/x?token=s3cr")
    assert 2 <= len(server.asked) <= 4


def test_retry_after_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_module, "LONGEST_PAUSE", 0.01)
    answers = iter([Answer(503, headers={"Retry-After": "86400"}), Answer(200, b"ok")])
    with hand(lambda asked: next(answers)) as server:
        assert Http().get(server.url).body == b"ok"


def test_a_missing_page_is_an_answer() -> None:
    with hand(lambda asked: Answer(404, b"no")) as server:
        assert Http().get(server.url).status == 404


@pytest.mark.parametrize("status", [204, 400, 410, 418, 501])
def test_any_other_status_fails_at_once(status: int) -> None:
    with hand(lambda asked: Answer(status, length=0)) as server:
        assert f"answers HTTP {status}" in fails(server.url)
    assert len(server.asked) == 1


def test_a_body_that_was_cut_off_once() -> None:
    answers = iter([Answer(200, b"half", length=8), Answer(200, b"whole")])
    with hand(lambda asked: next(answers)) as server:
        assert Http().get(server.url).body == b"whole"


@pytest.mark.parametrize("span", [None, "0-7"])
def test_a_body_that_is_always_cut_off(span: str | None) -> None:
    with hand(lambda asked: Answer(200, b"half", length=8)) as server:
        assert "could not be read" in fails(with_userinfo(server.url) + "/?token=s3cr", span=span)
    assert len(server.asked) == 3


def chunked(*pieces: bytes, end: bool) -> Iterator[bytes]:
    yield b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    for piece in pieces:
        yield b"%x\r\n%s\r\n" % (len(piece), piece)
    if end:
        yield b"0\r\n\r\n"


def test_a_chunked_body_is_read_whole() -> None:
    with hand(lambda asked: chunked(b"one ", b"two ", b"three", end=True)) as server:
        assert Http().get(server.url).body == b"one two three"


def test_a_chunked_body_that_is_cut_off() -> None:
    with hand(lambda asked: chunked(b"one ", b"two", end=False)) as server:
        assert "could not be read" in fails(server.url)
    assert len(server.asked) == 3


def test_a_packed_body_is_unpacked_and_a_broken_one_refused() -> None:
    packed = gzip.compress(b"text" * 1000)
    answers = iter(
        [Answer(200, packed, {"Content-Encoding": "gzip"}), Answer(200, b"xx", {"Content-Encoding": "gzip"})]
    )
    with hand(lambda asked: next(answers)) as server:
        assert Http().get(server.url).body == b"text" * 1000
        assert "could not be read" in fails(server.url)


def test_a_range_is_requested_without_compression() -> None:
    with hand(lambda asked: Answer(206, b"cd", {"Content-Range": "bytes 2-3/9"})) as server:
        answer = Http().get(server.url, span="2-3")
    assert (answer.status, answer.headers["content-range"]) == (206, "bytes 2-3/9")
    assert server.asked[0].headers["range"] == "bytes=2-3"
    assert server.asked[0].headers["accept-encoding"] == "identity"


# -- servers that never end ----------------------------------------------------------


def endless() -> Iterator[bytes]:
    yield b"HTTP/1.1 200 OK\r\n\r\n"
    yield from itertools.repeat(b"x" * 65536)


def test_an_endless_body_is_refused() -> None:
    with hand(lambda asked: endless()) as server:
        assert "sends more than 200000 bytes" in fails(with_userinfo(server.url), largest=200_000)
    assert server.sent < 50_000_000


def test_a_packed_body_that_swells_is_refused() -> None:
    bomb = gzip.compress(b"\0" * 50_000_000)
    with hand(lambda asked: Answer(200, bomb, {"Content-Encoding": "gzip"})) as server:
        assert "sends more than 200000 bytes" in fails(server.url, largest=200_000)


def test_a_body_of_exactly_the_limit_is_accepted() -> None:
    with hand(lambda asked: Answer(200, b"x" * 1000)) as server:
        assert len(Http().get(server.url, largest=1000).body) == 1000
        assert "more than 999 bytes" in fails(server.url, largest=999)


@pytest.mark.parametrize("how", ["plain", "length", "chunked"])
def test_a_very_slow_server_is_given_up(how: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_module, "TOTAL_SECONDS", 0.2)
    monkeypatch.setattr(http_module, "ATTEMPTS", 1)
    gone = [False]
    head = {"plain": b"", "length": b"Content-Length: 100000\r\n", "chunked": b"Transfer-Encoding: chunked\r\n"}[how]
    piece = b"1\r\nx\r\n" if how == "chunked" else b"x"

    def drip() -> Iterator[bytes]:
        yield b"HTTP/1.1 200 OK\r\n" + head + b"\r\n"
        for _ in range(1000):
            if gone[0]:
                return
            time.sleep(0.01)
            yield piece

    with hand(lambda asked: drip()) as server:
        text = fails(with_userinfo(server.url))
        gone[0] = True
    assert "did not answer in time" in text
    assert server.sent < 1000, "it listened to the end"


def test_a_silent_server_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_module, "READ_SECONDS", 0.05)
    monkeypatch.setattr(http_module, "ATTEMPTS", 2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        text = fails(f"http://user:{SECRET}@127.0.0.1:{silent.getsockname()[1]}/?token=s3cr")
    assert "did not answer in time" in text


def drip_headers() -> Iterator[bytes]:
    yield b"HTTP/1.1 200 OK\r\n"
    for number in range(1000):
        time.sleep(0.01)
        yield f"X-{number}: 1\r\n".encode()


def test_headers_that_arrive_one_by_one_have_a_time_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_module, "TOTAL_SECONDS", 0.2)
    with hand(lambda asked: drip_headers()) as server:
        started = time.monotonic()
        text = fails(server.url)
        assert time.monotonic() - started < 5
    assert "did not answer in time" in text


def test_the_headers_of_a_download_have_a_time_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_module, "TOTAL_SECONDS", 0.2)
    with (
        hand(lambda asked: drip_headers()) as server,
        pytest.raises(ToolFailed) as caught,
        Http().opened(server.url),
    ):
        raise AssertionError("the headers never end")
    assert "did not answer in time" in shown(caught.value)


def test_the_time_limit_includes_redirects(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_module, "TOTAL_SECONDS", 0.5)

    def slow(asked: Asked) -> Answer:
        time.sleep(0.2)
        return Answer(302, headers={"Location": f"/{len(server.asked)}"})

    with hand(slow) as server:
        text = fails(server.url)
    assert "did not answer in time" in text
    assert len(server.asked) < 5


def test_the_time_limit_includes_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_module, "TOTAL_SECONDS", 0.5)
    monkeypatch.setattr(http_module, "READ_SECONDS", 0.3)
    monkeypatch.setattr(http_module, "ATTEMPTS", 1000)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        started = time.monotonic()
        text = fails(f"http://127.0.0.1:{silent.getsockname()[1]}/")
        assert time.monotonic() - started < 5
    assert "did not answer in time" in text


def test_a_download_that_is_too_slow_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_module, "PACE_SECONDS", 0.2)

    def drip() -> Iterator[bytes]:
        yield b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n"
        for _ in range(1000):
            time.sleep(0.01)
            yield b"x"

    with (
        hand(lambda asked: drip()) as server,
        pytest.raises(ToolFailed) as caught,
        Http().opened(server.url) as answer,
    ):
        answer.body.read(100000)
    assert "did not answer in time" in shown(caught.value)
    assert server.sent < 1000


def test_a_slow_reader_is_not_a_slow_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_module, "PACE_SECONDS", 0.1)
    with hand(lambda asked: Answer(200, b"x" * 300)) as server, Http().opened(server.url) as answer:
        for _ in range(3):
            time.sleep(0.1)
            assert answer.body.read(100) == b"x" * 100
        assert answer.body.read(100) == b""


def test_a_server_that_does_not_run(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    text = fails(f"http://user:{SECRET}@127.0.0.1:{port}/simple/?token=s3cr")
    assert f"http://127.0.0.1:{port}/simple/ could not be read" in text


def test_a_server_that_does_not_speak_http() -> None:
    def noise() -> Iterator[bytes]:
        yield b"SSH-2.0-nothing\r\n"

    with hand(lambda asked: noise()) as server:
        assert "could not be read" in fails(server.url)
