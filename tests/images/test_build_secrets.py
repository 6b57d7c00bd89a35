"""The secrets of a build: credentials of listed indexes get into it only as a netrc."""

from __future__ import annotations

import configparser
import netrc
import tomllib
from pathlib import Path

import pytest

from lockgen.core.manifest import Manifest
from lockgen.core.urls import Login
from lockgen.errors import BadInput
from lockgen.images.build_secrets import index_logins, write_secrets
from lockgen.manifest.reader import parse_manifest

pytestmark = pytest.mark.usefixtures("own_caches")


def manifest(*urls: str) -> Manifest:
    tables = [f'[index.i{at}]\nurl = "{url}"\npackages = ["p{at}"]\n' for at, url in enumerate(urls)]
    text = '[family]\nname = "x"\npython = "3.11"\n' + "".join(tables) + '[variants.cpu]\nfrom = "python:3.11-slim"\n'
    return parse_manifest(f'{text}[bases.base]\npackages = ["six"]\n'.encode())


def test_credentials_of_urls_and_variables_become_entries_of_netrc(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = tmp_path / "netrc"
    own.write_text("machine one.example login old password old\nmachine else.example login e password f")
    monkeypatch.setenv("UV_INDEX_I1_USERNAME", "b")
    monkeypatch.setenv("UV_INDEX_I1_PASSWORD", "2")
    family = manifest("https://a:1@one.example/simple", "https://two.example/simple", "https://three.example/simple")
    folder = tmp_path / "build"
    folder.mkdir()
    secrets = write_secrets("https://default.example/simple", index_logins(family), folder)
    assert f"id=netrc,src={folder}/netrc" in secrets
    found = netrc.netrc(str(folder / "netrc"))
    assert {host: entry[::2] for host, entry in found.hosts.items()} == {
        "one.example": ("a", "1"),
        "two.example": ("b", "2"),
        "else.example": ("e", "f"),
    }
    assert (folder / "netrc").stat().st_mode & 0o777 == 0o600
    assert own.read_text().startswith("machine one.example login old")


def test_every_url_makes_valid_files(tmp_path: Path) -> None:
    url = 'https://\U0001f600:p%40ss\x7f"@host.example/simple'
    write_secrets(url, {}, tmp_path)
    assert tomllib.loads((tmp_path / "uv.toml").read_text("utf-8"))["index"] == [{"url": url, "default": True}]
    pip = configparser.ConfigParser()
    pip.read(tmp_path / "pip.conf", "utf-8")
    assert pip["global"]["index-url"] == url


def test_the_users_netrc_is_taken_as_it_is(tmp_path: Path) -> None:
    assert not any("id=netrc" in secret for secret in write_secrets("https://x.example", {}, tmp_path))
    (tmp_path / "netrc").write_text("machine one.example login a password b\n")
    assert f"id=netrc,src={tmp_path}/netrc" in write_secrets("https://x.example", {}, tmp_path)


@pytest.mark.parametrize(
    "urls",
    [
        ("https://a:1@one.example/a/simple", "https://b:2@one.example/b/simple"),
        ("https://a:with%20space@one.example/simple",),
        ("https://a:quote%22@one.example/simple",),
    ],
)
def test_what_netrc_cannot_express_needs_a_wheelhouse(urls: tuple[str, ...]) -> None:
    with pytest.raises(BadInput) as caught:
        index_logins(manifest(*urls))
    assert "lockgen build --wheelhouse" in str(caught.value.faults[0].hint)
    assert "with space" not in str(caught.value)


def test_equal_credentials_on_one_host() -> None:
    family = manifest("https://a:1@one.example/a/simple", "https://a:1@one.example/b/simple")
    assert index_logins(family) == {"one.example": Login("a", "1")}
