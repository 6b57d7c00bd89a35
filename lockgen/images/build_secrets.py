"""The secrets of a build: the default index, and credentials. BuildKit mounts them while a step runs."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from lockgen.core.manifest import Manifest
from lockgen.core.quoting import quoted
from lockgen.core.urls import Login
from lockgen.errors import BadInput
from lockgen.io.credentials import login_in, login_in_environment

_IN_NETRC = re.compile(r"[^\s\"'\\#]+")
"""What pip's and uv's readers of netrc both take as it is."""
_FETCH = "run `lockgen fetch DIR`, then `lockgen build --wheelhouse DIR`"


def write_secrets(index: str, logins: Mapping[str, Login], folder: Path) -> list[str]:
    """Write the user's index and credentials as build secrets.

    BuildKit mounts a secret while a step runs; it never gets into a layer.
    """
    configuration = {
        "uv.toml": f"[[index]]\nurl = {quoted(index)}\ndefault = true\n",
        # pip's configuration parser interpolates %.
        "pip.conf": f"[global]\nindex-url = {index.replace('%', '%%')}\n",
    }
    secrets = []
    for name, text in configuration.items():
        path = folder / name
        path.write_text(text)
        path.chmod(0o600)
        secrets.append(f"id={name},src={path}")
    netrc = _write_netrc(folder, logins)
    if netrc is not None:
        secrets.append(f"id=netrc,src={netrc}")
    return secrets


def _write_netrc(folder: Path, logins: Mapping[str, Login]) -> Path | None:
    """The netrc of a build: the user's own, and ``logins`` by host. Later entries of a host take precedence."""
    own = Path(os.environ.get("NETRC", "~/.netrc")).expanduser()
    if not logins:
        return own if own.is_file() else None
    lines = [own.read_text().rstrip("\n")] if own.is_file() else []
    lines += [f"machine {host} login {login.user} password {login.password}" for host, login in sorted(logins.items())]
    path = folder / "netrc"
    path.touch(0o600)
    path.write_text("\n".join(lines) + "\n")
    return path


def index_logins(manifest: Manifest) -> dict[str, Login]:
    """The credentials of the indexes of ``manifest``, by host.

    Raises:
        BadInput: netrc, the only way into a build, cannot express them.
    """
    logins: dict[str, Login] = {}
    for name, index in sorted(manifest.indexes.items()):
        login = login_in_environment(name) or login_in(index.url)
        if login is None:
            continue
        host = urlsplit(index.url).hostname or ""
        if logins.setdefault(host, login) != login:
            raise BadInput(f"a build has one user and password for {host}, and its indexes have several", hint=_FETCH)
        if not _IN_NETRC.fullmatch(login.user) or not _IN_NETRC.fullmatch(login.password):
            raise BadInput(f"the credentials of index {name} have a character that netrc cannot have", hint=_FETCH)
    return logins
