"""Image registries: tags over pages, digests, and every way to log in; a secret is in no error."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from support.registry import SECRET, TOKEN, USER, LocalRegistry, serving

from lockgen.adapters.http import Http
from lockgen.adapters.registry import Registry
from lockgen.errors import BadInput, ToolFailed

TAGS = ("3.11-slim", "3.11.4-slim", "3.11.9-slim", "3.12-slim", "latest")


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[LocalRegistry]:
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    with serving(LocalRegistry()) as local:
        local.add("team/python", *TAGS)
        yield local


def asked(registry: LocalRegistry, tag: str = "3.11-slim") -> Registry:
    return Registry(Http(), f"{registry.host}/team/python:{tag}")


def log_in(tmp_path: Path, entry: dict[str, object]) -> None:
    (tmp_path / "config.json").write_text(json.dumps(entry))


def coded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def test_tags_over_pages_and_a_digest(registry: LocalRegistry) -> None:
    assert asked(registry).tags() == sorted(TAGS)
    assert len([line for line in registry.asked if "tags/list" in line]) == 3
    assert asked(registry).digest() == registry.digest("team/python", "3.11-slim")
    assert "HEAD /v2/team/python/manifests/3.11-slim" in registry.asked


def test_a_registry_that_keeps_the_digest_to_itself(registry: LocalRegistry) -> None:
    registry.digests = False
    assert asked(registry).digest() == registry.digest("team/python", "3.11-slim")


def test_an_anonymous_token(registry: LocalRegistry) -> None:
    registry.auth = "token"
    assert asked(registry).tags() == sorted(TAGS)
    (token,) = [line for line in registry.asked if "/token" in line]
    assert token == "GET /token?service=local&scope=repository%3Ateam%2Fpython%3Apull"


@pytest.mark.parametrize("auth", ["token", "basic"])
@pytest.mark.parametrize(
    "entry",
    [{"auth": coded(f"{USER}:{SECRET}")}, {"username": USER, "password": SECRET}],
)
def test_what_docker_login_wrote(registry: LocalRegistry, tmp_path: Path, auth: str, entry: dict[str, object]) -> None:
    registry.auth, registry.private = auth, True  # type: ignore[assignment]
    log_in(tmp_path, {"auths": {registry.host: entry}})
    assert asked(registry).digest() == registry.digest("team/python", "3.11-slim")


@pytest.mark.parametrize("key", ["credsStore", "credHelpers"])
def test_a_credential_helper(
    registry: LocalRegistry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    """A program that reads the registry's name and answers with JSON, as Docker's own do."""
    registry.auth, registry.private = "token", True
    program = tmp_path / "bin" / "docker-credential-safe"
    program.parent.mkdir()
    answer = json.dumps({"ServerURL": registry.host, "Username": USER, "Secret": SECRET})
    program.write_text(f"#!/bin/sh\nread host\n[ \"$1 $host\" = 'get {registry.host}' ] && echo '{answer}'\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")
    log_in(tmp_path, {key: "safe" if key == "credsStore" else {registry.host: "safe"}, "auths": {registry.host: {}}})
    assert asked(registry).tags() == sorted(TAGS)


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
    ],
)
def test_a_login_that_is_none(registry: LocalRegistry, tmp_path: Path, config: str) -> None:
    registry.auth, registry.private = "token", True
    (tmp_path / "config.json").write_text(config.replace("HOST", registry.host))
    with pytest.raises(ToolFailed, match="refuses access"):
        asked(registry).tags()
    registry.private = False
    assert asked(registry).tags() == sorted(TAGS)


@pytest.mark.parametrize("status", [401, 403, 429, 500])
def test_no_secret_in_an_error(
    registry: LocalRegistry, tmp_path: Path, status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lockgen.adapters.transport.LONGEST_PAUSE", 0.0)
    log_in(tmp_path, {"auths": {registry.host: {"auth": coded(f"{USER}:{SECRET}")}}})
    registry.auth = "token"
    asked(registry).tags()
    registry.status = status
    with pytest.raises(ToolFailed) as caught:
        asked(registry).tags()
    said = repr([(f.message, f.reason, f.hint) for f in caught.value.faults])
    assert SECRET not in said
    assert TOKEN not in said
    assert coded(f"{USER}:{SECRET}") not in said


def test_what_is_not_there(registry: LocalRegistry) -> None:
    with pytest.raises(BadInput, match="there is no image"):
        asked(registry, "9").digest()
    with pytest.raises(BadInput):
        Registry(Http(), f"{registry.host}/nobody/python").tags()


def test_a_token_from_an_unsafe_place_is_not_fetched(registry: LocalRegistry, tmp_path: Path) -> None:
    """Credentials go where the registry sends them: over plain http only to this machine."""
    log_in(tmp_path, {"auths": {registry.host: {"auth": coded(f"{USER}:{SECRET}")}}})
    registry.auth = "token"
    there, registry.host = registry.host, "registry.example:80"
    with pytest.raises(ToolFailed, match="safe place"):
        Registry(Http(), f"{there}/team/python").tags()


def test_a_real_registry() -> None:
    """The distribution's own registry, where one runs on this machine: .ci/engine-up starts it."""
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
