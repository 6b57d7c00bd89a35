"""A bare repository over HTTP on loopback, served by `git http-backend`, with token authentication."""

from __future__ import annotations

import base64
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from support.loopback import QuietHandler, listening


@contextmanager
def serving_git(folder: Path, user: str, token: str) -> Iterator[tuple[str, list[str]]]:
    """The address of ``folder``'s repositories, and the Authorization headers that came."""
    seen: list[str] = []
    wanted = "basic " + base64.b64encode(f"{user}:{token}".encode()).decode()

    class Handler(QuietHandler):
        def _do(self) -> None:
            given = self.headers.get_all("Authorization") or []
            seen.extend(given)
            data = self._body()
            if [value.lower() for value in given] != [wanted.lower()]:
                self.send_response(401)
                self.send_header("WWW-Authenticate", 'Basic realm="git"')
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            self._answer(data)

        do_GET = do_POST = _do

        def _body(self) -> bytes:
            if self.headers.get("Transfer-Encoding") == "chunked":
                found = b""
                while size := int(self.rfile.readline(), 16):
                    found += self.rfile.read(size)
                    self.rfile.readline()
                self.rfile.readline()
                return found
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))

        def _answer(self, data: bytes) -> None:
            parts = urlsplit(self.path)
            env = {
                "PATH": os.environ["PATH"],
                "GIT_PROJECT_ROOT": str(folder),
                "GIT_HTTP_EXPORT_ALL": "1",
                "PATH_INFO": parts.path,
                "QUERY_STRING": parts.query,
                "REQUEST_METHOD": self.command,
                "CONTENT_TYPE": self.headers.get("Content-Type", ""),
                "CONTENT_LENGTH": str(len(data)),
                "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
                "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
                "REMOTE_USER": user,
                "REMOTE_ADDR": "127.0.0.1",
            }
            done = subprocess.run(["git", "http-backend"], env=env, input=data, capture_output=True, check=True)
            top, _, body = done.stdout.partition(b"\r\n\r\n")
            headers = [line.split(": ", 1) for line in top.decode().split("\r\n")]
            status = next((value.split()[0] for name, value in headers if name == "Status"), "200")
            self.send_response(int(status))
            for name, value in headers:
                if name != "Status":
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    with listening(Handler) as address:
        yield f"http://{address}", seen
