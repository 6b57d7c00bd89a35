"""An image registry on loopback that demands what registries demand: a token, basic authentication, patience."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import parse_qs, urlsplit

from support.loopback import QuietHandler, listening

USER, SECRET, TOKEN = "mira", "s3cret-w0rd", "t0ken-of-the-day"
IDENTITY = "ident1ty/of+mira="


@dataclass
class Answer:
    status: int
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)


@dataclass
class Content:
    """What a request carries."""

    kind: str
    body: str


@dataclass
class LocalRegistry:
    """``repositories`` maps a name to its tags and their manifests.

    ``auth`` is what it demands; ``private``: no token without a user. ``status`` makes every answer that one.
    ``moved`` is where the place for tokens sends everybody, and ``realm`` what it calls that place if not its own.
    ``unlisted``: listing tags is forbidden. ``elsewhere`` is the address in its links.
    """

    host: str = ""
    repositories: dict[str, dict[str, bytes]] = field(default_factory=dict)
    auth: Literal["none", "token", "basic"] = "none"
    private: bool = False
    status: int = 0
    moved: str = ""
    realm: str = ""
    page: int = 2
    digests: bool = True
    unlisted: bool = False
    elsewhere: str = ""
    asked: list[str] = field(default_factory=list)

    def add(self, name: str, *tags: str) -> None:
        for tag in tags:
            manifest = {"schemaVersion": 2, "annotations": {"of": f"{name}:{tag}"}, "manifests": []}
            self.repositories.setdefault(name, {})[tag] = json.dumps(manifest).encode()

    def digest(self, name: str, tag: str) -> str:
        return f"sha256:{hashlib.sha256(self.repositories[name][tag]).hexdigest()}"

    def respond(self, method: str, path: str, authorization: str, content: Content) -> Answer:
        self.asked.append(f"{method} {path}")
        parts = urlsplit(path)
        query = parse_qs(parts.query)
        if self.status:
            return Answer(self.status)
        basic = "Basic " + base64.b64encode(f"{USER}:{SECRET}".encode()).decode()
        if parts.path == "/token" and self.moved:
            return Answer(307, headers={"Location": self.moved})
        if parts.path == "/token" and method == "POST":
            return self._exchanged(content)
        if parts.path == "/token":
            if self.private and authorization != basic:
                return Answer(401, b'{"details":"who are you?"}')
            if query.get("service") != ["local"] or "scope" not in query:
                return Answer(400)
            return Answer(200, json.dumps({"token": TOKEN}).encode())
        if self.auth == "token" and authorization != f"Bearer {TOKEN}":
            scope = f"repository:{parts.path.split('/v2/')[1].rsplit('/', 2)[0]}:pull"
            realm = self.realm or f"http://{self.host}/token"
            bearer = f'Bearer realm="{realm}",service="local",scope="{scope}"'
            return Answer(401, b"{}", {"WWW-Authenticate": bearer})
        if self.auth == "basic" and authorization != basic:
            return Answer(401, b"{}", {"WWW-Authenticate": 'Basic realm="local"'})
        name, kind, what = parts.path.removeprefix("/v2/").rsplit("/", 2)
        if name not in self.repositories:
            return Answer(404, b'{"errors":[{"code":"NAME_UNKNOWN"}]}')
        return self._tags(name, query) if kind == "tags" else self._manifest(name, what)

    def _exchanged(self, content: Content) -> Answer:
        """An identity token for a token, with all that the distribution's page on OAuth 2 requires."""
        fields = parse_qs(content.body, keep_blank_values=True)
        scope = fields.get("scope", [""])[0]
        known = {"grant_type": ["refresh_token"], "service": ["local"], "refresh_token": [IDENTITY]}
        if content.kind != "application/x-www-form-urlencoded" or not fields.get("client_id", [""])[0]:
            return Answer(400)
        if not re.fullmatch(r"repository:[a-z/]+:pull", scope) or {key: fields.get(key) for key in known} != known:
            return Answer(401, b'{"details":"no such token"}')
        return Answer(200, json.dumps({"access_token": TOKEN, "scope": scope, "expires_in": 60}).encode())

    def _tags(self, name: str, query: dict[str, list[str]]) -> Answer:
        if self.unlisted:
            return Answer(403)
        every = sorted(self.repositories[name])
        after = [tag for tag in every if tag > query.get("last", [""])[0]]
        shown = after[: self.page]
        body = json.dumps({"name": name, "tags": shown}).encode()
        if len(after) == len(shown):
            return Answer(200, body)
        return Answer(
            200, body, {"Link": f'<{self.elsewhere}/v2/{name}/tags/list?last={shown[-1]}&n={self.page}>; rel="next"'}
        )

    def _manifest(self, name: str, tag: str) -> Answer:
        body = self.repositories[name].get(tag)
        if body is None:
            return Answer(404, b'{"errors":[{"code":"MANIFEST_UNKNOWN"}]}')
        headers = {"Docker-Content-Digest": self.digest(name, tag)} if self.digests else {}
        return Answer(200, body, headers)


@contextmanager
def serving(registry: LocalRegistry) -> Iterator[LocalRegistry]:
    class Handler(QuietHandler):
        def do_HEAD(self) -> None:
            self.do_GET()

        def do_POST(self) -> None:
            self.do_GET()

        def do_GET(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", "0"))).decode()
            content = Content(self.headers.get("Content-Type", ""), body)
            answer = registry.respond(self.command, self.path, self.headers.get("Authorization", ""), content)
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(answer.body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(answer.body)

    with listening(Handler) as address:
        registry.host = address
        yield registry
