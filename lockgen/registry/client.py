"""An image registry (OCI distribution): manifests, tags and blobs, read only."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any
from urllib.parse import SplitResult, urlencode, urljoin, urlsplit

from lockgen.errors import BadInput, LockgenError, ToolFailed
from lockgen.io.http import Http
from lockgen.io.http_model import Opened
from lockgen.io.process import run

_TYPES = ", ".join(
    [
        "application/vnd.oci.image.index.v1+json",
        "application/vnd.oci.image.manifest.v1+json",
        "application/vnd.docker.distribution.manifest.list.v2+json",
        "application/vnd.docker.distribution.manifest.v2+json",
    ]
)
_HUB = "docker.io"
_PARAMETER = re.compile(r'(\w+)="([^"]*)"')
_NEXT = re.compile(r'<([^>]*)>\s*;\s*rel="?next"?')
# The whole host: "localhost.example" and "127.0.0.1@example" are elsewhere.
_LOCAL = re.compile(r"(localhost|127(\.[0-9]{1,3}){3}|\[::1\])(:[0-9]*)?")
_IDENTITY = "<token>"
"""What a credential helper says for a user's name where its secret is an identity token."""
_LARGEST = 8 * 1024 * 1024
_PAGES = 500
"""More pages of tags than that no registry has: one that goes on is broken."""


class Registry:
    """One image in one registry. On loopback by http, else by https, as docker does."""

    def __init__(self, http: Http, reference: str) -> None:
        self._http = http
        self._name = reference
        host, _, path = reference.partition("/")
        if not path or ("." not in host and ":" not in host and host != "localhost"):
            host, path = _HUB, reference if path else f"library/{reference}"
        repository, at, digest = path.partition("@")
        repository, _, tag = repository.partition(":")
        self._auth_host = host
        self._reference = digest if at else tag or "latest"
        scheme = "http" if _LOCAL.fullmatch(host) else "https"
        server = "registry-1.docker.io" if host == _HUB else host
        self._base = f"{scheme}://{server}/v2/{repository}"
        self._token: str | None = None

    def manifest(self) -> dict[str, Any]:
        """The manifest of the image; of an index, that of linux/amd64, else of the first platform.

        Raises:
            BadInput: the image does not exist.
            ToolFailed: the registry failed.
        """
        document = self._json(f"manifests/{self._reference}", _TYPES)
        if "manifests" in document:
            entries = [e for e in document["manifests"] if (e.get("platform") or {}).get("os") != "unknown"]
            entries.sort(key=lambda e: (e.get("platform") or {}).get("architecture") != "amd64")
            document = self._json(f"manifests/{entries[0]['digest']}", _TYPES)
        return document

    def config(self, manifest: dict[str, Any]) -> dict[str, Any]:
        return self._json(f"blobs/{manifest['config']['digest']}", "*/*")

    @contextlib.contextmanager
    def blob(self, digest: str) -> Iterator[IO[bytes]]:
        """A layer's bytes as they come."""
        with self._opened(f"blobs/{digest}", "*/*") as answer:
            yield answer.body

    def digest(self) -> str:
        """What the reference is now: "sha256:...", of an image for several platforms that of its index.

        Raises:
            BadInput: the image does not exist.
            ToolFailed: the registry failed.
        """
        # HEAD does not count as a pull where those are limited; a registry may leave the digest out of its answer.
        with self._opened(f"manifests/{self._reference}", _TYPES, "HEAD") as answer:
            known = answer.headers.get("docker-content-digest")
        if known is None:
            with self._opened(f"manifests/{self._reference}", _TYPES) as answer:
                known = f"sha256:{hashlib.sha256(answer.body.read(_LARGEST)).hexdigest()}"
        return known

    def tags(self) -> list[str]:
        """Every tag of the repository, as the registry sorts them.

        Raises:
            BadInput: the repository does not exist.
            ToolFailed: the registry failed.
        """
        found: list[str] = []
        url: str | None = f"{self._base}/tags/list?n=1000"
        for _ in range(_PAGES):
            if url is None:
                return found
            with self._opened_at(url, "application/json") as answer:
                found += [str(tag) for tag in self._read(answer).get("tags") or []]
                following = _NEXT.search(answer.headers.get("link", ""))
            # The token is for this registry only, and a proxy before it may not be what the registry knows itself as.
            url = _on(url, urljoin(url, following[1])) if following else None
        raise ToolFailed(f"{self._name}: the registry's list of tags does not end")

    def _json(self, path: str, accept: str) -> dict[str, Any]:
        with self._opened(path, accept) as answer:
            return self._read(answer)

    def _read(self, answer: Opened) -> dict[str, Any]:
        try:
            return dict(json.loads(answer.body.read(_LARGEST)))
        except (TypeError, ValueError) as error:
            raise ToolFailed(f"{self._name}: the registry answers with no JSON", reason=str(error)) from error

    @contextlib.contextmanager
    def _opened(self, path: str, accept: str, method: str = "GET") -> Iterator[Opened]:
        with self._opened_at(f"{self._base}/{path}", accept, method) as answer:
            yield answer

    @contextlib.contextmanager
    def _opened_at(self, url: str, accept: str, method: str = "GET") -> Iterator[Opened]:
        challenge = None
        with self._http.opened(url, self._headers(accept), method) as answer:
            if answer.status == 401:
                challenge = answer.headers.get("www-authenticate", "")
            else:
                self._check(answer)
                yield answer
                return
        self._token = self._authorised(challenge)
        with self._http.opened(url, self._headers(accept), method) as answer:
            self._check(answer)
            yield answer

    def _check(self, answer: Opened) -> None:
        if answer.status == 404:
            raise BadInput(
                f"there is no image, file or folder {self._name}",
                hint="an image of the engine or of a registry, a file of `docker save`, or an OCI layout",
            )
        if answer.status != 200:
            hint = "docker login" if answer.status in (401, 403) else None
            raise ToolFailed(f"{self._name}: the registry answers HTTP {answer.status}", hint=hint)

    def _headers(self, accept: str) -> dict[str, str]:
        return {"Accept": accept} | ({"Authorization": self._token} if self._token else {})

    def _authorised(self, challenge: str) -> str:
        """An Authorization header for what the registry asks for (RFC 6750, and the distribution's token scheme)."""
        known = _Login(self._auth_host).credentials()
        if challenge.lower().startswith("bearer"):
            return f"Bearer {self._token_for(dict(_PARAMETER.findall(challenge)), known)}"
        if known is None or known.user is None:
            raise self._refused()
        return known.basic

    def _token_for(self, wanted: Mapping[str, str], known: _Credentials | None) -> str:
        realm = _safe(wanted.get("realm", ""))
        if realm is None:
            raise ToolFailed(f"{self._name}: the registry sends nobody to a safe place for a token")
        named = {key: wanted[key] for key in ("service", "scope") if key in wanted}
        with self._at(realm, named, known) as answer:
            if answer.status != 200:
                raise self._refused()
            document = self._read(answer)
        token = document.get("token") or document.get("access_token")
        if not token:
            raise ToolFailed(f"{self._name}: the registry gives no token", hint=f"docker login {self._auth_host}")
        return str(token)

    def _at(
        self, realm: SplitResult, named: Mapping[str, str], known: _Credentials | None
    ) -> AbstractContextManager[Opened]:
        """What the realm answers: to an identity token by POST (the distribution's OAuth 2), else by GET."""
        if known is not None and known.user is None:
            form = {"grant_type": "refresh_token", **named, "client_id": "lockgen", "refresh_token": known.secret}
            return self._http.opened(realm.geturl(), method="POST", form=form)
        query = "&".join(part for part in (realm.query, urlencode(named)) if part)
        headers = {"Authorization": known.basic} if known is not None else {}
        return self._http.opened(realm._replace(query=query).geturl(), headers)

    def _refused(self) -> ToolFailed:
        return ToolFailed(f"{self._name}: the registry refuses access", hint=f"docker login {self._auth_host}")


def _on(url: str, other: str) -> str:
    """``other`` at the origin of ``url``."""
    here = urlsplit(url)
    return urlsplit(other)._replace(scheme=here.scheme, netloc=here.netloc).geturl()


def _safe(realm: str) -> SplitResult | None:
    """Where credentials may go: by https, or on this machine."""
    try:
        parts = urlsplit(realm)
    except ValueError:
        return None
    local = parts.scheme == "http" and _LOCAL.fullmatch(parts.netloc)
    return parts if local or (parts.scheme == "https" and parts.netloc) else None


@dataclass(frozen=True, slots=True)
class _Credentials:
    """``user`` is None where ``secret`` is an identity token, which is exchanged for a token and is not a password."""

    user: str | None
    secret: str = field(repr=False)

    @property
    def basic(self) -> str:
        """An Authorization header."""
        return "Basic " + base64.b64encode(f"{self.user}:{self.secret}".encode()).decode()


class _Login:
    """What `docker login` left for one registry: in Docker's config.json, or with a helper that it names."""

    def __init__(self, host: str) -> None:
        self._host = host

    def credentials(self) -> _Credentials | None:
        """None without a login. A failure here counts as no login."""
        document = self._document()
        for key in self._keys():
            helpers = document.get("credHelpers")
            helper = helpers.get(key) if isinstance(helpers, dict) else None
            found = self._asked(str(helper), key) if helper else None
            found = found or self._written(document, key)
            if found is None and document.get("credsStore"):
                found = self._asked(str(document["credsStore"]), key)
            if found is not None:
                return found
        return None

    def _keys(self) -> list[str]:
        """The names that a registry has there; Docker Hub's is an address of its first days."""
        if self._host == _HUB:
            return ["https://index.docker.io/v1/", _HUB, "registry-1.docker.io"]
        return [self._host, f"https://{self._host}", f"http://{self._host}"]

    def _document(self) -> dict[str, Any]:
        folder = Path(os.environ.get("DOCKER_CONFIG") or "~/.docker").expanduser()
        try:
            return dict(json.loads((folder / "config.json").read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            return {}

    def _written(self, document: dict[str, Any], key: str) -> _Credentials | None:
        auths = document.get("auths")
        entry = auths.get(key) if isinstance(auths, dict) else None
        if not isinstance(entry, dict):
            return None
        # First, as it is in docker: `auth` next to it has a user's name without a password.
        if entry.get("identitytoken"):
            return _Credentials(None, str(entry["identitytoken"]))
        if entry.get("username") and entry.get("password"):
            return _Credentials(str(entry["username"]), str(entry["password"]))
        try:
            user, colon, secret = base64.b64decode(str(entry.get("auth") or "")).decode().rstrip("\0").partition(":")
        except ValueError:
            return None
        return _Credentials(user, secret) if colon and user else None

    def _asked(self, helper: str, key: str) -> _Credentials | None:
        """What a credential helper says: it gets the registry's name, and answers with JSON."""
        if not re.fullmatch(r"[A-Za-z0-9._-]+", helper):
            return None
        try:
            done = run([f"docker-credential-{helper}", "get"], cwd=Path.cwd(), timeout=30, stdin=key)
            document = json.loads(done.stdout) if done.code == 0 else {}
            user, secret = str(document["Username"]), str(document["Secret"])
        except (LockgenError, ValueError, KeyError, TypeError):
            return None
        if user == _IDENTITY:
            return _Credentials(None, secret) if secret else None
        return _Credentials(user, secret) if user else None
