"""Image registries: pages of tags, digests, and all ways to log in. Errors contain no secrets."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from support.registry import IDENTITY, SECRET, TOKEN, USER, LocalRegistry, serving

from lockgen.errors import BadInput, ToolFailed
from lockgen.io.http import Http
from lockgen.registry.client import Registry

TAGS = ("3.11-slim", "3.11.4-slim", "3.11.9-slim", "3.12-slim", "latest")


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[LocalRegistry]:
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    with serving(LocalRegistry()) as local:
        local.add("team/python", *TAGS)
        yield local


def client(registry: LocalRegistry, tag: str = "3.11-slim") -> Registry:
    return Registry(Http(), f"{registry.host}/team/python:{tag}")


def log_in(tmp_path: Path, entry: dict[str, object]) -> None:
    (tmp_path / "config.json").write_text(json.dumps(entry))


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def install_helper(
    registry: LocalRegistry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, user: str, secret: str
) -> None:
    """Install the helper `safe`, which reads the registry's name and prints JSON."""
    program = tmp_path / "bin" / "docker-credential-safe"
    program.parent.mkdir()
    answer = json.dumps({"ServerURL": registry.host, "Username": user, "Secret": secret})
    program.write_text(f"#!/bin/sh\nread host\n[ \"$1 $host\" = 'get {registry.host}' ] && echo '{answer}'\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")


def store_identity_token(
    where: str, registry: LocalRegistry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, token: str = IDENTITY
) -> None:
    """Store an identity token as `docker login` does, in a helper or in config.json."""
    if where == "config.json":
        # Azure adds a user without a password.
        auth = encoded("00000000-0000-0000-0000-000000000000:")
        log_in(tmp_path, {"auths": {registry.host: {"auth": auth, "identitytoken": token}}})
        return
    install_helper(registry, tmp_path, monkeypatch, "<token>", token)
    log_in(tmp_path, {where: "safe" if where == "credsStore" else {registry.host: "safe"}})


def shown_text(error: ToolFailed) -> str:
    """Everything of ``error`` that may be printed."""
    return repr(error) + repr([(f.message, f.reason, f.hint) for f in error.faults])


def test_tags_on_several_pages_and_a_digest(registry: LocalRegistry) -> None:
    assert client(registry).tags() == sorted(TAGS)
    assert len([line for line in registry.asked if "tags/list" in line]) == 3
    assert client(registry).digest() == registry.digest("team/python", "3.11-slim")
    assert "HEAD /v2/team/python/manifests/3.11-slim" in registry.asked


def test_a_registry_without_the_digest_header(registry: LocalRegistry) -> None:
    registry.digests = False
    assert client(registry).digest() == registry.digest("team/python", "3.11-slim")


def test_page_links_with_another_host_are_followed_on_the_same_host(registry: LocalRegistry) -> None:
    """Behind a proxy, a registry may not know its public address."""
    registry.elsewhere = "http://registry.internal.example"
    assert client(registry).tags() == sorted(TAGS)


def test_an_anonymous_token(registry: LocalRegistry) -> None:
    registry.auth = "token"
    assert client(registry).tags() == sorted(TAGS)
    (token,) = [line for line in registry.asked if "/token" in line]
    assert token == "GET /token?service=local&scope=repository%3Ateam%2Fpython%3Apull"


def test_a_netrc_password_does_not_replace_the_token(
    registry: LocalRegistry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login mira password else\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    registry.auth = "token"
    assert client(registry).tags() == sorted(TAGS)


@pytest.mark.parametrize("auth", ["token", "basic"])
@pytest.mark.parametrize(
    "entry",
    [{"auth": encoded(f"{USER}:{SECRET}")}, {"username": USER, "password": SECRET}],
)
def test_credentials_of_docker_login_are_used(
    registry: LocalRegistry, tmp_path: Path, auth: str, entry: dict[str, object]
) -> None:
    registry.auth, registry.private = auth, True  # type: ignore[assignment]
    log_in(tmp_path, {"auths": {registry.host: entry}})
    assert client(registry).digest() == registry.digest("team/python", "3.11-slim")


@pytest.mark.parametrize("key", ["credsStore", "credHelpers"])
def test_a_credential_helper_is_used(
    registry: LocalRegistry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    registry.auth, registry.private = "token", True
    install_helper(registry, tmp_path, monkeypatch, USER, SECRET)
    log_in(tmp_path, {key: "safe" if key == "credsStore" else {registry.host: "safe"}, "auths": {registry.host: {}}})
    assert client(registry).tags() == sorted(TAGS)


@pytest.mark.parametrize(
    "config",
    [
        "no JSON",
        "[]",
        '{"auths": []}',
        '{"auths": {"HOST": {"auth": "%%%"}}}',
        '{"auths": {"HOST": {"auth": "bm9jb2xvbg=="}}}',
        '{"credsStore": "there-is-none"}',
        '{"credsStore": "../../evil"}',
        '{"credHelpers": {"HOST": 7}}',
        '{"auths": {"HOST": {"identitytoken": ""}}}',
    ],
)
def test_an_invalid_login_counts_as_none(registry: LocalRegistry, tmp_path: Path, config: str) -> None:
    registry.auth, registry.private = "token", True
    (tmp_path / "config.json").write_text(config.replace("HOST", registry.host))
    with pytest.raises(ToolFailed, match="refuses access"):
        client(registry).tags()
    registry.private = False
    assert client(registry).tags() == sorted(TAGS)


@pytest.mark.parametrize("status", [401, 403, 429, 500])
def test_no_secret_in_an_error(
    registry: LocalRegistry, tmp_path: Path, status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lockgen.io.transport.LONGEST_PAUSE", 0.0)
    log_in(tmp_path, {"auths": {registry.host: {"auth": encoded(f"{USER}:{SECRET}")}}})
    registry.auth = "token"
    client(registry).tags()
    registry.status = status
    with pytest.raises(ToolFailed) as caught:
        client(registry).tags()
    text = shown_text(caught.value)
    assert SECRET not in text
    assert TOKEN not in text
    assert encoded(f"{USER}:{SECRET}") not in text


@pytest.mark.parametrize("where", ["config.json", "credsStore", "credHelpers"])
def test_an_identity_token_is_exchanged(
    registry: LocalRegistry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    registry.auth, registry.private = "token", True
    store_identity_token(where, registry, tmp_path, monkeypatch)
    assert client(registry).tags() == sorted(TAGS)
    # In the body, as servers and proxies log URLs.
    assert [line for line in registry.asked if "/token" in line] == ["POST /token"]


@pytest.mark.parametrize("where", ["config.json", "credsStore"])
@pytest.mark.parametrize("auth", ["token", "basic"])
def test_a_refused_identity_token_is_reported(
    registry: LocalRegistry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str, auth: str
) -> None:
    """It is revoked, or the registry requires a password."""
    registry.auth, registry.private = auth, True  # type: ignore[assignment]
    store_identity_token(where, registry, tmp_path, monkeypatch, "an-0ld-one")
    with pytest.raises(ToolFailed, match="refuses access") as caught:
        client(registry).tags()
    assert [fault.hint for fault in caught.value.faults] == [f"docker login {registry.host}"]
    assert "0ld" not in shown_text(caught.value)
    assert len(registry.asked) == (2 if auth == "token" else 1)


@pytest.mark.parametrize("status", [401, 403, 429, 500])
def test_no_identity_token_in_an_error(
    registry: LocalRegistry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    """Neither of the token service, nor of the registry after it, nor if the service is unreachable."""
    monkeypatch.setattr("lockgen.io.transport.LONGEST_PAUSE", 0.0)
    store_identity_token("config.json", registry, tmp_path, monkeypatch)
    registry.auth = "token"
    with serving(LocalRegistry(status=status)) as broken:
        registry.realm = f"http://{broken.host}/token"
        with pytest.raises(ToolFailed) as at_the_realm:
            client(registry).tags()
        assert broken.asked[0] == "POST /token"
    with pytest.raises(ToolFailed) as unreachable:
        client(registry).tags()
    registry.realm, known = "", client(registry)
    known.tags()
    registry.status = status
    with pytest.raises(ToolFailed) as after:
        known.tags()
    for caught in (at_the_realm, unreachable, after):
        assert not [word for word in ("ident1ty", TOKEN) if word in shown_text(caught.value)]


def test_an_identity_token_does_not_follow_redirects(
    registry: LocalRegistry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry.auth = "token"
    store_identity_token("config.json", registry, tmp_path, monkeypatch)
    with serving(LocalRegistry()) as elsewhere:
        registry.moved = f"http://{elsewhere.host}/token"
        with pytest.raises(ToolFailed, match="refuses access"):
            client(registry).tags()
        assert elsewhere.asked == []


def test_missing_images_and_repositories(registry: LocalRegistry) -> None:
    with pytest.raises(BadInput, match="no such image"):
        client(registry, "9").digest()
    with pytest.raises(BadInput):
        Registry(Http(), f"{registry.host}/missing/python").tags()


@pytest.mark.parametrize(
    "realm",
    [
        "http://registry.example:80/token",
        "http://localhost.example/token",
        "http://127.example/token",
        "http://127.0.0.1@registry.example/token",
        "http://127.0.0.1:5000@registry.example/token",
        "http://[::1].example/token",
        "http://[",
        "https:///token",
        "ftp://127.0.0.1/token",
        "/token",
    ],
)
@pytest.mark.parametrize("entry", [{"auth": encoded(f"{USER}:{SECRET}")}, {"identitytoken": IDENTITY}])
def test_an_unsafe_token_service_gets_no_credentials(
    registry: LocalRegistry, tmp_path: Path, entry: dict[str, object], realm: str
) -> None:
    """A registry may send credentials elsewhere, but over plain HTTP only to loopback."""
    log_in(tmp_path, {"auths": {registry.host: entry}})
    registry.auth, registry.realm = "token", realm
    with pytest.raises(ToolFailed, match="neither HTTPS nor loopback"):
        client(registry).tags()
    assert not [line for line in registry.asked if "/token" in line]


def test_a_real_registry() -> None:
    """The distribution's own registry, if .ci/engine-up started one."""
    try:
        names = requests.get("http://localhost:5000/v2/_catalog", timeout=3).json()["repositories"]
    except (requests.RequestException, ValueError, KeyError):
        pytest.skip("no registry on localhost:5000; .ci/engine-up starts one")
    with pytest.raises(BadInput):
        Registry(Http(), "localhost:5000/lockgen-tests/there-is-none").tags()
    for name in names:
        try:
            tags = Registry(Http(), f"localhost:5000/{name}").tags()
        except BadInput:  # a repository that lost its last tag
            continue
        if tags:
            assert Registry(Http(), f"localhost:5000/{name}:{tags[0]}").digest().startswith("sha256:")
            return
