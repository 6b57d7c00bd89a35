"""The implementation of `Http`: time limits, bounded retries, credentials for their own host only."""

from __future__ import annotations

import contextlib
import json
import os
import threading
import time
from collections.abc import Iterator, Mapping
from typing import IO, cast
from urllib.parse import unquote, urlsplit

import requests
from requests.adapters import HTTPAdapter
from requests.auth import HTTPBasicAuth
from urllib3 import BaseHTTPResponse
from urllib3.exceptions import DecodeError, HTTPError, ReadTimeoutError
from urllib3.util.retry import Retry

from lockgen import __version__
from lockgen.core.urls import origin, redacted
from lockgen.errors import ToolFailed
from lockgen.io.http_model import LARGEST, Opened, Response

CONNECT_SECONDS, READ_SECONDS, TOTAL_SECONDS = 10.0, 30.0, 300.0
ATTEMPTS = 3
LONGEST_PAUSE = 5.0
_RETRIED = (429, 500, 502, 503, 504)
_CERTIFICATES = ("REQUESTS_CA_BUNDLE", "SSL_CERT_FILE", "CURL_CA_BUNDLE", "PIP_CERT")


def _as_it_is(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """Keep the Authorization header: without an `auth`, requests would replace it by that of netrc."""
    return request


class Transport:
    """See `Http`. ``credentials`` are those known so far, by origin."""

    def __init__(self, credentials: dict[tuple[str, str], tuple[str, str]]) -> None:
        self._local = threading.local()
        self._credentials = credentials

    def get(self, url: str, *, accept: str | None = None, span: str | None = None, largest: int = LARGEST) -> Response:
        """See `Http.get`."""
        headers = {"Accept": accept or "*/*"} | ({"Range": f"bytes={span}"} if span else {})
        # A range refers to the bytes of the file, and not to those of its encoded form.
        headers["Accept-Encoding"] = "identity" if span else "gzip, deflate"
        return self._with_retries(self._plain(url), headers, largest)

    def _plain(self, url: str) -> str:
        try:
            return self._remember(url)
        except ValueError:
            raise ToolFailed(f"{redacted(url)} is not a valid URL", hint="check the URLs of the index") from None

    def _with_retries(
        self, plain: str, headers: Mapping[str, str], largest: int, sent: bytes | None = None
    ) -> Response:
        for attempt in range(ATTEMPTS):
            try:
                return self._once(plain, headers, largest, sent)
            except (requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError) as error:
                if attempt == ATTEMPTS - 1:
                    raise _unreachable(plain, error) from None
                time.sleep(0.2 * 2**attempt)
            except (requests.RequestException, ValueError) as error:
                # ValueError: a redirect to an invalid URL, such as http://[
                raise _unreachable(plain, error) from None
        raise AssertionError("unreachable")

    def post(self, url: str, document: object, *, largest: int = LARGEST) -> Response:
        """See `Http.post`."""
        headers = {"Accept": "application/json", "Content-Type": "application/json"}
        body = json.dumps(document).encode()
        return self._with_retries(self._plain(url), headers, largest, body)

    @contextlib.contextmanager
    def opened(
        self,
        url: str,
        headers: Mapping[str, str] | None = None,
        method: str = "GET",
        form: Mapping[str, str] | None = None,
    ) -> Iterator[Opened]:
        """See `Http.opened`."""
        plain = self._remember(url)
        known = self._credentials.get(origin(plain))
        sent = {"Accept-Encoding": "identity", **(headers or {})}
        auth = _as_it_is if "Authorization" in sent else HTTPBasicAuth(*known) if known else None
        try:
            with self._session().request(
                method,
                plain,
                data=form,
                headers=sent,
                auth=auth,
                timeout=(CONNECT_SECONDS, READ_SECONDS),
                stream=True,
                allow_redirects=form is None,  # 307 and 308 would carry the form to any host
            ) as answer:
                found = {name.lower(): value for name, value in answer.headers.items()}
                yield Opened(answer.status_code, found, cast(IO[bytes], answer.raw))
        except (requests.RequestException, HTTPError, OSError) as error:
            raise _unreachable(plain, error) from None

    def _remember(self, url: str) -> str:
        parts = urlsplit(url)
        if parts.username:
            # The first credentials count: a link on a page must not replace those of the user.
            known = unquote(parts.username), unquote(parts.password or "")
            self._credentials.setdefault(origin(url), known)
        return parts._replace(netloc=parts.netloc.rsplit("@", 1)[-1]).geturl()

    def _once(self, url: str, headers: Mapping[str, str], largest: int, sent: bytes | None) -> Response:
        known = self._credentials.get(origin(url))
        # With None, requests reads netrc. It drops both kinds of credentials on a redirect to another host.
        auth = HTTPBasicAuth(*known) if known else None
        until = time.monotonic() + TOTAL_SECONDS
        method = "GET" if sent is None else "POST"
        with self._session().request(
            method, url, data=sent, headers=headers, auth=auth, timeout=(CONNECT_SECONDS, READ_SECONDS), stream=True
        ) as answer:
            if answer.status_code not in (200, 206, 404):
                raise _refused(url, answer)
            body = _body(answer, until, largest)
            found = {name.lower(): value for name, value in answer.headers.items()}
            return Response(self._remember(answer.url), answer.status_code, found, body)

    def _session(self) -> requests.Session:
        session: requests.Session | None = getattr(self._local, "session", None)
        if session is None:
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
            self._local.session = session
        return session


class _BoundedRetry(Retry):
    """A server may ask for a pause (Retry-After), but not for hours."""

    def get_retry_after(self, response: BaseHTTPResponse) -> float | None:
        pause = super().get_retry_after(response)
        return None if pause is None else min(pause, LONGEST_PAUSE)


def _chunks(answer: requests.Response) -> Iterator[bytes]:
    # iter_content waits until a chunk is full: with a very slow server, the total time would never be checked.
    try:
        while chunk := answer.raw.read1(65536, decode_content=True):
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
            raise ToolFailed(f"{redacted(answer.url)} answers with more than {largest} bytes")
        if time.monotonic() > until:
            raise requests.Timeout("the whole answer took too long")
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


def _refused(url: str, answer: requests.Response) -> ToolFailed:
    where = redacted(url)
    if answer.status_code in (401, 403):
        hint = "put the credentials for this host into ~/.netrc, or into the index's URL in the environment"
        return ToolFailed(f"{where} refuses access: HTTP {answer.status_code}", hint=hint)
    return ToolFailed(f"{where} answers HTTP {answer.status_code}", hint="retry later; no files were changed")
