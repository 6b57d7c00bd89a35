"""An image registry (OCI distribution): manifests and blobs, read only."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlencode

from lockgen.adapters.http import Http, Opened
from lockgen.errors import BadInput, ToolFailed

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
_LARGEST = 8 * 1024 * 1024


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
        scheme = "http" if re.match(r"(localhost|127\.|\[::1\])", host) else "https"
        server = "registry-1.docker.io" if host == _HUB else host
        self._base = f"{scheme}://{server}/v2/{repository}"
        self._token: str | None = None

    def manifest(self) -> dict[str, Any]:
        """The manifest of the image; of an index, that of linux/amd64, else of the first platform.

        Raises:
            BadInput: there is no such image.
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

    def _json(self, path: str, accept: str) -> dict[str, Any]:
        with self._opened(path, accept) as answer:
            try:
                return dict(json.loads(answer.body.read(_LARGEST)))
            except ValueError as error:
                raise ToolFailed(f"{self._name}: the registry answers with no JSON", reason=str(error)) from error

    @contextlib.contextmanager
    def _opened(self, path: str, accept: str) -> Iterator[Opened]:
        url = f"{self._base}/{path}"
        challenge = None
        with self._http.opened(url, self._headers(accept)) as answer:
            if answer.status == 401:
                challenge = answer.headers.get("www-authenticate", "")
            else:
                self._check(answer)
                yield answer
                return
        self._token = self._authorised(challenge)
        with self._http.opened(url, self._headers(accept)) as answer:
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
        basic = self._basic()
        if challenge.lower().startswith("basic"):
            return basic or ""
        wanted = dict(_PARAMETER.findall(challenge))
        query = urlencode({key: wanted[key] for key in ("service", "scope") if key in wanted})
        headers = {"Authorization": basic} if basic else {}
        with self._http.opened(f"{wanted.get('realm', self._base)}?{query}", headers) as answer:
            if answer.status != 200:
                raise ToolFailed(f"{self._name}: the registry refuses access", hint="docker login")
            token = json.loads(answer.body.read(_LARGEST))
        return f"Bearer {token.get('token') or token.get('access_token')}"

    def _basic(self) -> str | None:
        """What `docker login` left in its configuration; credential helpers are not asked."""
        folder = Path(os.environ.get("DOCKER_CONFIG", "~/.docker")).expanduser()
        try:
            known = json.loads((folder / "config.json").read_text())["auths"]
        except (OSError, ValueError, KeyError, TypeError):
            return None
        host = "https://index.docker.io/v1/" if self._auth_host == _HUB else self._auth_host
        entry = known.get(host) or {}
        if "username" in entry and "password" in entry:
            return "Basic " + base64.b64encode(f"{entry['username']}:{entry['password']}".encode()).decode()
        return f"Basic {entry['auth']}" if entry.get("auth") else None
