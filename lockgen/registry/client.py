"""A read-only client of an image registry (OCI distribution): manifests, tags and blobs."""

from __future__ import annotations

import contextlib
import hashlib
import re
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from typing import IO, Any, NamedTuple
from urllib.parse import SplitResult, urlencode, urljoin, urlsplit

from lockgen.core.documents import parse_json
from lockgen.core.image_reference import is_digest, is_tag
from lockgen.errors import BadInput, ToolFailed
from lockgen.io.http import Http
from lockgen.io.http_model import Opened
from lockgen.registry.docker_login import DOCKER_HUB, Credentials, stored_credentials

_MANIFEST_TYPES = ", ".join(
    [
        "application/vnd.oci.image.index.v1+json",
        "application/vnd.oci.image.manifest.v1+json",
        "application/vnd.docker.distribution.manifest.list.v2+json",
        "application/vnd.docker.distribution.manifest.v2+json",
    ]
)
_CHALLENGE_PARAMETER = re.compile(r'(\w+)="([^"]*)"')
_NEXT_PAGE = re.compile(r'<([^>]*)>\s*;\s*rel="?next"?')
# It must match the whole host: "localhost.example" and "127.0.0.1@example" are elsewhere.
_LOOPBACK = re.compile(r"(localhost|127(\.[0-9]{1,3}){3}|\[::1\])(:[0-9]*)?")
_MAX_DOCUMENT = 8 * 1024 * 1024
_MAX_PAGES = 500
"""No repository has more pages of tags, so a longer list means that the registry is broken."""


class _Location(NamedTuple):
    """Where an image is. ``reference`` is its tag or digest."""

    host: str
    repository: str
    reference: str

    @property
    def base_url(self) -> str:
        # The same rule as docker's.
        scheme = "http" if _LOOPBACK.fullmatch(self.host) else "https"
        server = "registry-1.docker.io" if self.host == DOCKER_HUB else self.host
        return f"{scheme}://{server}/v2/{self.repository}"


def _locate(reference: str) -> _Location:
    host, _, path = reference.partition("/")
    is_host = "." in host or ":" in host or host == "localhost"
    if not path or not is_host:
        host = DOCKER_HUB
        # Official images are in "library".
        path = reference if path else f"library/{reference}"
    tagged, at, digest = path.partition("@")
    repository, _, tag = tagged.partition(":")
    return _Location(host, repository, digest if at else tag or "latest")


class Registry:
    """One image in one registry, reached by HTTP on loopback and by HTTPS elsewhere."""

    def __init__(self, http: Http, reference: str) -> None:
        self._http = http
        self._name = reference
        self._location = _locate(reference)
        self._authorization: str | None = None

    # -- content -------------------------------------------------------------------------------

    def manifest(self) -> dict[str, Any]:
        """The manifest of the image. From an index, that of linux/amd64, or else of the first platform.

        Raises:
            BadInput: the image does not exist.
            ToolFailed: the registry failed.
        """
        document = self._get_json(f"manifests/{self._location.reference}", _MANIFEST_TYPES)
        if "manifests" not in document:
            return document
        # Attestations are entries for the platform "unknown".
        entries = [entry for entry in _entries(document) if _platform(entry).get("os") != "unknown"]
        if not entries:
            raise ToolFailed(f"{self._name}: the registry's index contains no image")
        # The sort is stable: amd64 first, the others as they are.
        entries.sort(key=lambda entry: _platform(entry).get("architecture") != "amd64")
        return self._get_json(f"manifests/{entries[0]['digest']}", _MANIFEST_TYPES)

    def config(self, digest: str) -> dict[str, Any]:
        """The config of an image, by its digest in the manifest."""
        return self._get_json(f"blobs/{digest}", "*/*")

    @contextlib.contextmanager
    def blob(self, digest: str) -> Iterator[IO[bytes]]:
        """A stream of a layer's bytes."""
        with self._open(self._url(f"blobs/{digest}"), "*/*") as response:
            yield response.body

    def digest(self) -> str:
        """The current digest of the reference ("sha256:..."). For several platforms, that of the index.

        Raises:
            BadInput: the image does not exist.
            ToolFailed: the registry failed.
        """
        url = self._url(f"manifests/{self._location.reference}")
        # HEAD does not count as a pull where pulls are limited.
        with self._open(url, _MANIFEST_TYPES, "HEAD") as response:
            digest = response.headers.get("docker-content-digest")
        if digest is not None and is_digest(digest):
            return digest
        # A registry may leave out that header.
        with self._open(url, _MANIFEST_TYPES) as response:
            manifest = response.body.read(_MAX_DOCUMENT)
        return f"sha256:{hashlib.sha256(manifest).hexdigest()}"

    def tags(self) -> list[str]:
        """All tags of the repository, in the order of the registry.

        Raises:
            BadInput: the repository does not exist.
            ToolFailed: the registry failed.
        """
        found: list[str] = []
        url: str | None = self._url("tags/list?n=1000")
        for _ in range(_MAX_PAGES):
            if url is None:
                return found
            with self._open(url, "application/json") as response:
                tags = self._read_json(response).get("tags") or []
                link = response.headers.get("link", "")
            found += [tag for tag in tags if is_tag(tag)]
            url = _next_page(url, link)
        raise ToolFailed(f"{self._name}: the registry's list of tags does not end")

    # -- requests ------------------------------------------------------------------------------

    def _url(self, path: str) -> str:
        return f"{self._location.base_url}/{path}"

    def _get_json(self, path: str, accept: str) -> dict[str, Any]:
        with self._open(self._url(path), accept) as response:
            return self._read_json(response)

    def _read_json(self, response: Opened) -> dict[str, Any]:
        try:
            return dict(parse_json(response.body.read(_MAX_DOCUMENT)))
        except (TypeError, ValueError) as error:
            raise ToolFailed(f"{self._name}: the registry's answer is not JSON", reason=str(error)) from error

    @contextlib.contextmanager
    def _open(self, url: str, accept: str, method: str = "GET") -> Iterator[Opened]:
        challenge = None
        with self._http.opened(url, self._headers(accept), method) as response:
            if response.status == 401:
                challenge = response.headers.get("www-authenticate", "")
            else:
                self._check(response)
                yield response
                return
        # Only now, as the first response must be closed before the next request.
        self._authorization = self._authorize(challenge)
        with self._http.opened(url, self._headers(accept), method) as response:
            self._check(response)
            yield response

    def _headers(self, accept: str) -> dict[str, str]:
        headers = {"Accept": accept}
        if self._authorization:
            headers["Authorization"] = self._authorization
        return headers

    def _check(self, response: Opened) -> None:
        if response.status == 404:
            raise BadInput(
                f"no such image, file or folder: {self._name}",
                hint="name an image of the engine or of a registry, a `docker save` archive, or an OCI layout folder",
            )
        if response.status != 200:
            hint = self._login_hint if response.status in (401, 403) else "try again later"
            raise ToolFailed(f"{self._name}: the registry answers HTTP {response.status}", hint=hint)

    # -- authentication ------------------------------------------------------------------------

    def _authorize(self, challenge: str) -> str:
        """The Authorization header that the registry demands (RFC 6750, and the distribution's token scheme)."""
        credentials = stored_credentials(self._location.host)
        if challenge.lower().startswith("bearer"):
            parameters = dict(_CHALLENGE_PARAMETER.findall(challenge))
            return f"Bearer {self._access_token(parameters, credentials)}"
        # An identity token is not a password.
        if credentials is None or credentials.user is None:
            raise self._access_refused()
        return credentials.basic

    def _access_token(self, parameters: Mapping[str, str], credentials: Credentials | None) -> str:
        realm = _safe_realm(parameters.get("realm", ""))
        if realm is None:
            raise ToolFailed(f"{self._name}: the registry's token service uses neither HTTPS nor loopback")
        scope = {key: parameters[key] for key in ("service", "scope") if key in parameters}
        with self._open_realm(realm, scope, credentials) as response:
            if response.status != 200:
                raise self._access_refused()
            document = self._read_json(response)
        token = document.get("token") or document.get("access_token")
        if not token:
            raise ToolFailed(f"{self._name}: the registry returned no token", hint=self._login_hint)
        return str(token)

    def _open_realm(
        self, realm: SplitResult, scope: Mapping[str, str], credentials: Credentials | None
    ) -> AbstractContextManager[Opened]:
        """The response of the token service."""
        if credentials is not None and credentials.user is None:
            # The distribution's OAuth 2. In the body, as URLs appear in the logs of servers and proxies.
            form = {
                "grant_type": "refresh_token",
                **scope,
                "client_id": "lockgen",
                "refresh_token": credentials.secret,
            }
            return self._http.opened(realm.geturl(), method="POST", form=form)
        parts = [realm.query, urlencode(scope)]
        query = "&".join(part for part in parts if part)
        headers = {"Authorization": credentials.basic} if credentials is not None else {}
        return self._http.opened(realm._replace(query=query).geturl(), headers)

    def _access_refused(self) -> ToolFailed:
        return ToolFailed(f"{self._name}: the registry refuses access", hint=self._login_hint)

    @property
    def _login_hint(self) -> str:
        return f"docker login {self._location.host}"


def _entries(document: dict[str, Any]) -> list[dict[str, Any]]:
    """The valid entries of an image index."""
    entries = document["manifests"]
    if not isinstance(entries, list):
        return []
    return [entry for entry in entries if isinstance(entry, dict) and is_digest(entry.get("digest"))]


def _platform(entry: dict[str, Any]) -> dict[str, Any]:
    """The platform of an entry of an image index."""
    platform = entry.get("platform")
    return platform if isinstance(platform, dict) else {}


def _next_page(url: str, link: str) -> str | None:
    """The URL of the page after ``url`` according to its Link header."""
    following = _NEXT_PAGE.search(link)
    if following is None:
        return None
    # At the same origin: credentials are for this registry only, and behind a proxy its links may have a wrong address.
    origin = urlsplit(url)
    target = urlsplit(urljoin(url, str(following[1])))
    return target._replace(scheme=origin.scheme, netloc=origin.netloc).geturl()


def _safe_realm(realm: str) -> SplitResult | None:
    """The address of a token service, None if credentials must not go there: without HTTPS, only to loopback."""
    try:
        parts = urlsplit(realm)
    except ValueError:
        return None
    if parts.scheme == "https" and parts.netloc:
        return parts
    if parts.scheme == "http" and _LOOPBACK.fullmatch(parts.netloc):
        return parts
    return None
