"""Run git in the user's clone: without prompts, hooks and traces, and with a token that only its own host sees."""

from __future__ import annotations

import base64
import os
import re
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from lockgen.errors import BadInput, ToolFailed
from lockgen.io import git
from lockgen.io.process import Finished, hide_credentials

TIMEOUT = 600.0
"""Timeout per call of git, in seconds."""
LOCAL = "."
"""The remote that stands for the clone itself: for branches without a remote."""
RETRY_HINT = (
    "check that the remote exists and that you may read and write it, then retry: a new run continues where this one "
    "stopped"
)

# These change what git does or prints, or make it write what it sends, with the token, into a log.
_DROPPED = re.compile(r"GIT_(TRACE.*|CURL_VERBOSE|DIR|WORK_TREE|INDEX_FILE|OBJECT_DIRECTORY|COMMON_DIR|NAMESPACE)")
# Hooks must not run, paths must not be quoted, and no background process may outlive the run.
_SETTINGS = ("-c", "core.hooksPath=/dev/null", "-c", "core.quotePath=false", "-c", "gc.auto=0")
_THIS_MACHINE = {"127.0.0.1", "localhost", "::1"}


class GitSession:
    """Git in the clone at ``root``. ``token`` is sent to the host of ``remote`` over HTTPS, with the name ``user``."""

    def __init__(self, root: Path, remote: str, token: str | None, user: str) -> None:
        self.root = root
        self._secrets = _secrets(token, user)
        self._env = _environment(root, remote, self._secrets)

    def call(
        self, *arguments: str, at: Path | None = None, stdin: str = "", env: Mapping[str, str] | None = None
    ) -> Finished:
        """Run git, in the folder ``at`` if given. A failure is not an error; secrets are removed from its stderr."""
        whole = {**self._env, **(env or {})}
        done = git.call(at or self.root, (*_SETTINGS, *arguments), env=whole, stdin=stdin, timeout=TIMEOUT)
        return Finished(done.code, done.stdout, self.redacted(done.stderr))

    def output(self, what: str, *arguments: str, at: Path | None = None, env: Mapping[str, str] | None = None) -> str:
        """The standard output of git.

        Raises:
            ToolFailed: git cannot do ``what``.
        """
        done = self.call(*arguments, at=at, env=env)
        if done.code:
            raise ToolFailed(f"git cannot {what}", reason=self.redacted(done.last_lines()), hint=RETRY_HINT)
        return done.stdout

    def redacted(self, text: str) -> str:
        """``text`` without the token and without credentials in URLs."""
        for secret in self._secrets:
            text = text.replace(secret, "***")
        return hide_credentials(text)

    def with_setting(self, name: str, value: str) -> dict[str, str]:
        """Environment variables that add a setting of git: unlike the command line, other users cannot see them."""
        return _with_settings(self._env, [(name, value)])


def remote_address(root: Path, remote: str) -> str:
    """The URL of a remote by its name, without credentials.

    Raises:
        BadInput: the remote does not exist.
    """
    done = git.call(root, ("remote", "get-url", "--push", "--", remote), timeout=60)
    if done.code:
        raise BadInput(
            f"this clone has no remote {remote!r}",
            reason=done.last_lines(),
            hint="name another with --remote; or create the branches in the clone itself: --no-forge --remote .",
        )
    return hide_credentials(done.stdout.strip())


def _secrets(token: str | None, user: str) -> tuple[str, ...]:
    """The token as it is, and as git sends it."""
    if not token:
        return ()
    basic = base64.b64encode(f"{user}:{token}".encode()).decode()
    return token, basic


def _environment(root: Path, remote: str, secrets: tuple[str, ...]) -> dict[str, str]:
    env = {name: value for name, value in os.environ.items() if not _DROPPED.fullmatch(name)}
    # In CI no person can answer a prompt, and output in another language could not be parsed.
    env |= {"GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"}
    if not secrets or remote == LOCAL:
        return env
    parts = urlsplit(remote_address(root, remote))
    if not _may_send(parts.scheme, parts.hostname):
        return env
    # Scoped to this host: redirects may lead to another one.
    host = parts.netloc.rsplit("@", 1)[-1]
    key = f"http.{parts.scheme}://{host}/.extraheader"
    # The empty value drops a header from the clone's own settings (actions/checkout sets one): servers refuse two.
    return {**env, **_with_settings(env, [(key, ""), (key, f"AUTHORIZATION: basic {secrets[1]}")])}


def _with_settings(env: Mapping[str, str], settings: list[tuple[str, str]]) -> dict[str, str]:
    """The variables that add settings to those that ``env`` has already."""
    count = int(env.get("GIT_CONFIG_COUNT") or 0)
    found = {"GIT_CONFIG_COUNT": str(count + len(settings))}
    for number, (name, value) in enumerate(settings, count):
        found[f"GIT_CONFIG_KEY_{number}"] = name
        found[f"GIT_CONFIG_VALUE_{number}"] = value
    return found


def _may_send(scheme: str, host: str | None) -> bool:
    """Whether a token may be sent: over HTTPS, or over HTTP to this machine."""
    return scheme == "https" or (scheme == "http" and host in _THIS_MACHINE)
