"""Package indexes that others wrote, on loopback: pypiserver, simple-repository-server, devpi and static folders."""

from __future__ import annotations

import base64
import html
import os
import secrets
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import requests

from lockgen.io.find_uv import find_uv
from support.hand_server import sha256
from support.signals import with_signals


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        return int(found.getsockname()[1])


@contextmanager
def running(command: list[str], url: str, log: Path) -> Iterator[None]:
    """Runs the server ``command``; starts when ``url`` responds."""
    with log.open("wb") as out:
        server = subprocess.Popen(
            with_signals(command),
            stdout=out,
            stderr=subprocess.STDOUT,
            env={**os.environ, "PYTHONWARNINGS": "ignore"},
        )
        try:
            for _ in range(1200):
                assert server.poll() is None, log.read_text()
                try:
                    with urllib.request.urlopen(url, timeout=5) as answer:
                        answer.read()
                    break
                except (urllib.error.HTTPError, urllib.error.URLError, ConnectionError):
                    try:
                        server.wait(0.05)
                    except subprocess.TimeoutExpired:
                        continue
            else:
                raise AssertionError("the server did not start: " + log.read_text())
            yield
        finally:
            server.terminate()
            server.wait(20)


@contextmanager
def pypiserver(folder: Path, algorithm: str = "sha256") -> Iterator[tuple[str, Path]]:
    """HTML only, with relative links and without metadata."""
    port, log = free_port(), folder.parent / "pypiserver.log"
    command = [sys.executable, "-m", "pypiserver", "run", "--hash-algo", algorithm, "--log-stream", "stderr", "-vv"]
    command += ["-i", "127.0.0.1", "-p", str(port), "--disable-fallback", "--server", "wsgiref", str(folder)]
    with running(command, f"http://127.0.0.1:{port}/health", log):
        yield f"http://127.0.0.1:{port}/simple", log


@contextmanager
def simple_repository(source: str, log: Path) -> Iterator[str]:
    """JSON, and METADATA next to each wheel (PEP 658) without a hash, from a folder or another index."""
    port = free_port()
    command = [sys.executable, "-m", "simple_repository_server", "--host", "127.0.0.1", "--port", str(port), source]
    with running(command, f"http://127.0.0.1:{port}/simple/", log):
        yield f"http://127.0.0.1:{port}/simple"


@contextmanager
def static_folder(folder: Path) -> Iterator[str]:
    """A folder over HTTP, with listings of folders that have no index.html."""
    port = free_port()
    command = [sys.executable, "-m", "http.server", "--bind", "127.0.0.1", "--directory", str(folder), str(port)]
    with running(command, f"http://127.0.0.1:{port}/", folder.parent / "static.log"):
        yield f"http://127.0.0.1:{port}"


def write_tree(
    folder: Path, wheels: Mapping[str, bytes], attributes: Mapping[str, str], *, hashed: bool = True
) -> None:
    """The pages of PEP 503, written by hand. ``attributes`` are those of a file's link."""
    for name, data in wheels.items():
        project = folder / name.split("-")[0].replace("_", "-").lower()
        project.mkdir(parents=True, exist_ok=True)
        (project / name).write_bytes(data)
        fragment = f"#sha256={sha256(data)}" if hashed else ""
        with (project / "index.html").open("a") as page:
            page.write(f'<a href="{html.escape(name)}{fragment}" {attributes.get(name, "")}>{html.escape(name)}</a>\n')


def install_devpi(folder: Path) -> Path:
    """devpi in an environment of its own: it needs an older setuptools than the tests. Returns its programs."""
    uv, python = find_uv(), folder / "bin/python"
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("UV_", "PIP_"))}
    for command in (
        [uv, "venv", "--quiet", "--python", sys.executable, str(folder)],
        [uv, "pip", "install", "--quiet", "--python", str(python), "devpi-server>=6.17,<7"],
    ):
        subprocess.run(command, check=True, env=environment)
    return folder / "bin"


@contextmanager
def devpi(programs: Path, folder: Path, wheels: Mapping[str, bytes]) -> Iterator[str]:
    """A private index of devpi, to which ``wheels`` were uploaded."""
    state, port = ["--serverdir", str(folder)], free_port()
    # The tests' own modules must not get into its environment.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    subprocess.run(
        [str(programs / "devpi-init"), *state, "--no-root-pypi"], check=True, env=environment, capture_output=True
    )
    base = f"http://127.0.0.1:{port}"
    # Without these, it computes for ten seconds to protect a secret.
    secret = folder.parent / "devpi-secret"
    secret.touch(0o600)
    secret.write_text(secrets.token_urlsafe(48))
    state += ["--secretfile", str(secret), "--argon2-memory-cost", "8", "--argon2-time-cost", "1"]
    state += ["--argon2-parallelism", "1"]
    command = [str(programs / "devpi-server"), *state, "--host", "127.0.0.1", "--port", str(port)]
    with running(command, f"{base}/+api", folder.parent / "devpi.log"):
        _upload(base, wheels)
        yield f"{base}/root/dev/+simple"


def _upload(base: str, wheels: Mapping[str, bytes]) -> None:
    login = requests.post(f"{base}/+login", json={"user": "root", "password": ""}, timeout=60)
    token = f"root:{login.json()['result']['password']}"
    headers = {"X-Devpi-Auth": base64.b64encode(token.encode()).decode()}
    requests.put(
        f"{base}/root/dev", json={"type": "stage", "bases": []}, headers=headers, timeout=60
    ).raise_for_status()
    for name, data in wheels.items():
        project, version, *_ = name.split("-")
        form = {":action": "file_upload", "name": project, "version": version, "filetype": "bdist_wheel"}
        answer = requests.post(
            f"{base}/root/dev/", data=form, files={"content": (name, data)}, headers=headers, timeout=60
        )
        answer.raise_for_status()
