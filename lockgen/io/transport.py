"""The implementation of `Http`: time limits, bounded retries, credentials for their own host only."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import IO, TypeVar, cast

import requests
from requests.adapters import HTTPAdapter
from requests.auth import HTTPBasicAuth
from urllib3 import BaseHTTPResponse
from urllib3.exceptions import DecodeError, HTTPError, ReadTimeoutError
from urllib3.util.retry import Retry

from lockgen import __version__
from lockgen.core.urls import Login, origin, redacted
from lockgen.errors import ToolFailed
from lockgen.io.credentials import KnownCredentials
from lockgen.io.http_model import LARGEST, AccessForbidden, AccessRefused, Opened, Response
from lockgen.io.stopping import stoppable

CONNECT_SECONDS, READ_SECONDS = 10.0, 30.0
TOTAL_SECONDS = 60.0
"""The time limit of one request: name lookup, redirects, all attempts, and the whole body."""
PACE_SECONDS, PACE_BYTES = 60.0, 64 * 1024
"""A large body has no time limit, but this many bytes must arrive in this time."""
SILENT_SECONDS = 1.0
"""How long a request may take before the user is told what lockgen waits for."""
ATTEMPTS = 3
LONGEST_PAUSE = 5.0
_CHUNK = 65536
_REFUSALS = (401, 403)
_RETRIED = (429, 500, 502, 503, 504)
_CERTIFICATES = ("REQUESTS_CA_BUNDLE", "SSL_CERT_FILE", "CURL_CA_BUNDLE", "PIP_CERT")


def _as_it_is(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """Keep the Authorization header: without an `auth`, requests would replace it by that of netrc."""
    return request


def _basic(login: Login | None) -> HTTPBasicAuth | None:
    """With None, requests reads netrc. It drops both kinds of credentials on a redirect to another host."""
    if login is None:
        return None
    # As bytes: requests encodes text as latin-1.
    return HTTPBasicAuth(login.user.encode(), login.password.encode())


T = TypeVar("T")


class Transport:
    """See `Http`."""

    def __init__(self, credentials: KnownCredentials, note: Callable[[str], None]) -> None:
        self._note = note
        self._noted: set[str] = set()
        # Sessions that no request uses: each keeps connections open.
        self._idle: queue.SimpleQueue[requests.Session] = queue.SimpleQueue()
        self._credentials = credentials

    def get(self, url: str, *, accept: str | None = None, span: str | None = None, largest: int = LARGEST) -> Response:
        """See `Http.get`."""
        headers = {"Accept": accept or "*/*"} | ({"Range": f"bytes={span}"} if span else {})
        # A range refers to the bytes of the file, and not to those of its encoded form.
        headers["Accept-Encoding"] = "identity" if span else "gzip, deflate"
        return self._answer(url, headers, largest)

    def _plain(self, url: str) -> str:
        try:
            return self._credentials.plain(url)
        except ValueError:
            raise ToolFailed(f"{redacted(url)} is not a valid URL", hint="check the URLs of the index") from None

    def _answer(self, url: str, headers: Mapping[str, str], largest: int, sent: bytes | None = None) -> Response:
        plain = self._plain(url)
        until = time.monotonic() + TOTAL_SECONDS
        return self._within_limit(plain, lambda: self._with_retries(plain, headers, largest, sent, until))

    def _with_retries(
        self, plain: str, headers: Mapping[str, str], largest: int, sent: bytes | None, until: float
    ) -> Response:
        for attempt in range(ATTEMPTS):
            try:
                return self._once(plain, headers, largest, sent, until)
            except (requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError) as error:
                if attempt == ATTEMPTS - 1 or time.monotonic() > until:
                    raise _unreachable(plain, error) from None
                time.sleep(0.2 * 2**attempt)
            except (requests.RequestException, ValueError) as error:
                # ValueError: a redirect to an invalid URL, such as http://[
                raise _unreachable(plain, error) from None
        raise AssertionError("unreachable")

    def post(self, url: str, document: object, *, largest: int = LARGEST) -> Response:
        """See `Http.post`."""
        headers = {"Accept": "application/json", "Content-Type": "application/json"}
        return self._answer(url, headers, largest, json.dumps(document).encode())

    @contextlib.contextmanager
    def opened(
        self,
        url: str,
        headers: Mapping[str, str] | None = None,
        method: str = "GET",
        form: Mapping[str, str] | None = None,
    ) -> Iterator[Opened]:
        """See `Http.opened`."""
        plain = self._plain(url)
        sent = {"Accept-Encoding": "identity", **(headers or {})}
        logins = [None] if "Authorization" in sent else self._credentials.candidates(plain)

        def request(session: requests.Session) -> requests.Response:
            *others, last = logins
            for login in others:
                answer = send(session, login)
                if answer.status_code not in _REFUSALS:
                    return answer
                answer.close()
            return send(session, last)

        def send(session: requests.Session, login: Login | None) -> requests.Response:
            return session.request(
                method,
                plain,
                data=form,
                headers=sent,
                auth=_as_it_is if "Authorization" in sent else _basic(login),
                timeout=(CONNECT_SECONDS, READ_SECONDS),
                stream=True,
                allow_redirects=form is None,  # 307 and 308 would carry the form to any host
            )

        try:
            with self._session() as session, self._within_limit(plain, lambda: request(session)) as answer:
                found = {name.lower(): value for name, value in answer.headers.items()}
                yield Opened(answer.status_code, found, cast(IO[bytes], _PacedBody(answer.raw)))
        except (requests.RequestException, HTTPError, OSError) as error:
            raise _unreachable(plain, error) from None

    def _within_limit(self, url: str, work: Callable[[], T]) -> T:
        """The result of ``work``, or what it raises.

        It runs in another thread, which is left behind when the time is over: the name lookup, the handshake and
        headers that arrive byte by byte have no time limit of their own.

        Raises:
            ToolFailed: it took longer than TOTAL_SECONDS.
        """
        outcome: queue.SimpleQueue[tuple[T | None, BaseException | None]] = queue.SimpleQueue()

        def run() -> None:
            try:
                outcome.put((work(), None))
            except BaseException as error:
                outcome.put((None, error))

        # A daemon, so that a thread that was left behind does not keep the process alive.
        threading.Thread(target=run, daemon=True).start()
        stopped = ToolFailed("lockgen was stopped")
        try:
            with stoppable(lambda: outcome.put((None, stopped))):
                result, error = self._outcome(url, outcome)
        except queue.Empty:
            raise _unreachable(url, requests.Timeout("the response took too long")) from None
        if error is not None:
            raise error
        return cast(T, result)

    def _outcome(self, url: str, outcome: queue.SimpleQueue[T]) -> T:
        try:
            return outcome.get(timeout=min(SILENT_SECONDS, TOTAL_SECONDS))
        except queue.Empty:
            self._announce(url)
        return outcome.get(timeout=max(0.0, TOTAL_SECONDS - SILENT_SECONDS))

    def _announce(self, url: str) -> None:
        """Say once for each host that it is slow."""
        host = redacted(origin(url)[1])
        # Two threads may say the same: that is not worth a lock.
        if host not in self._noted:
            self._noted.add(host)
            self._note(f"waiting for {host}")

    def _once(self, url: str, headers: Mapping[str, str], largest: int, sent: bytes | None, until: float) -> Response:
        """Try each of the credentials that may be right, until one is not refused."""
        refusals: list[AccessRefused] = []
        for login in self._credentials.candidates(url):
            try:
                return self._with_login(url, login, headers, largest, sent, until)
            except AccessRefused as refusal:
                refusals.append(refusal)
        # The answer to the most likely credentials.
        raise refusals[0]

    def _with_login(
        self,
        url: str,
        login: Login | None,
        headers: Mapping[str, str],
        largest: int,
        sent: bytes | None,
        until: float,
    ) -> Response:
        auth = _basic(login)
        method = "GET" if sent is None else "POST"
        timeouts = (CONNECT_SECONDS, READ_SECONDS)
        with (
            self._session() as session,
            session.request(
                method, url, data=sent, headers=headers, auth=auth, timeout=timeouts, stream=True
            ) as answer,
        ):
            if answer.status_code not in (200, 206, 404):
                raise self._refused(url, answer)
            body = _body(answer, until, largest)
            found = {name.lower(): value for name, value in answer.headers.items()}
            return Response(self._credentials.plain(answer.url), answer.status_code, found, body)

    def _refused(self, url: str, answer: requests.Response) -> ToolFailed:
        where = redacted(url)
        if answer.status_code in _REFUSALS:
            kind = AccessForbidden if answer.status_code == 403 else AccessRefused
            return kind(f"{where} refuses access: HTTP {answer.status_code}", hint=self._credentials.hint(url))
        return ToolFailed(f"{where} answers HTTP {answer.status_code}", hint="retry later; no files were changed")

    @contextlib.contextmanager
    def _session(self) -> Iterator[requests.Session]:
        """A session for one request; other threads use others meanwhile."""
        try:
            session = self._idle.get_nowait()
        except queue.Empty:
            session = _new_session()
        yield session
        # Not after an error: a thread that was left behind may still use it.
        self._idle.put(session)


def _new_session() -> requests.Session:
    session = requests.Session()
    retries = _BoundedRetry(
        total=ATTEMPTS,
        connect=0,
        read=0,
        redirect=10,
        status_forcelist=_RETRIED,
        allowed_methods={"GET", "HEAD", "POST"},  # POST too: it is used for queries only
        backoff_factor=0.2,
        backoff_max=LONGEST_PAUSE,
        raise_on_status=False,
    )
    adapter = HTTPAdapter(max_retries=retries)
    session.mount("https://", adapter)
    session.mount("http://", adapter)
    session.headers["User-Agent"] = f"lockgen/{__version__}"
    bundle = next((os.environ[name] for name in _CERTIFICATES if os.environ.get(name)), None)
    if bundle:
        session.verify = bundle
    return session


class _PacedBody:
    """A body that must arrive at a minimum rate. Only time spent waiting counts, not that of a slow reader."""

    def __init__(self, body: BaseHTTPResponse) -> None:
        self._body = body
        self._waited = 0.0
        self._received = 0

    def read(self, size: int = -1) -> bytes:
        """``size`` bytes, fewer at the end; all, if negative.

        Raises:
            requests.Timeout: too few bytes arrived in PACE_SECONDS.
        """
        chunks: list[bytes] = []
        missing = size
        while size < 0 or missing > 0:
            # read1 returns what is there. read would wait for all of it, however slowly it arrives.
            chunk = self._wait(_CHUNK if size < 0 else min(missing, _CHUNK))
            if not chunk:
                break
            chunks.append(chunk)
            missing -= len(chunk)
        return b"".join(chunks)

    def _wait(self, most: int) -> bytes:
        started = time.monotonic()
        chunk: bytes = self._body.read1(most)
        self._waited += time.monotonic() - started
        self._received += len(chunk)
        if self._received >= PACE_BYTES:
            self._waited = 0.0
            self._received = 0
        elif self._waited > PACE_SECONDS and chunk:
            raise requests.Timeout("the response arrives too slowly")
        return chunk


class _BoundedRetry(Retry):
    """A server may ask for a pause (Retry-After), but not for hours."""

    def get_retry_after(self, response: BaseHTTPResponse) -> float | None:
        pause = super().get_retry_after(response)
        return None if pause is None else min(pause, LONGEST_PAUSE)


def _chunks(answer: requests.Response) -> Iterator[bytes]:
    # iter_content waits until a chunk is full: with a very slow server, the total time would never be checked.
    try:
        while chunk := answer.raw.read1(_CHUNK, decode_content=True):
            yield chunk
    except DecodeError as error:
        raise requests.exceptions.ContentDecodingError(error) from error
    except HTTPError as error:
        raise requests.exceptions.ChunkedEncodingError(error) from error


def _body(answer: requests.Response, until: float, largest: int) -> bytes:
    chunks: list[bytes] = []
    size = 0
    for chunk in _chunks(answer):
        chunks.append(chunk)
        size += len(chunk)
        if size > largest:
            raise ToolFailed(f"{redacted(answer.url)} sends more than {largest} bytes")
        if time.monotonic() > until:
            raise requests.Timeout("the response took too long")
    return b"".join(chunks)


def _unreachable(url: str, error: Exception) -> ToolFailed:
    # The messages of urllib3 contain the whole URL with its query, so only the kind of error is shown.
    inner: object = error.args[0] if error.args else error
    inner = getattr(inner, "reason", inner)
    slow = isinstance(error, requests.Timeout) or isinstance(inner, ReadTimeoutError)
    return ToolFailed(
        f"{redacted(url)} {'did not answer in time' if slow else 'could not be read'}",
        reason=type(inner if isinstance(inner, Exception) else error).__name__,
        hint="check your network connection and retry; no files were changed",
    )
