"""Every command of lockgen, with arguments with which it prints something."""

from __future__ import annotations

from collections.abc import Iterator

import click

from lockgen.cli import cli


def commands(group: click.Group = cli, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Every command and group with its path, the root first."""
    yield path, group
    for name, command in sorted(group.commands.items()):
        if isinstance(command, click.Group):
            yield from commands(command, (*path, name))
        else:
            yield (*path, name), command


ALL = [path for path, _ in commands()]

# Arguments with which a command prints something in the family SMALL, or fails before it does: for every command, so
# that a new one has to be added here.
ARGUMENTS: dict[tuple[str, ...], list[str]] = {
    (): ["--version"],
    ("audit",): ["--database", "osv", "--offline"],
    ("build",): ["--dry-run"],
    ("bump",): ["numpy", "--dry-run", "--offline"],
    ("check",): [],
    ("compat",): ["--list"],
    ("diff",): ["locks/lock.json"],
    ("explain",): ["--offline"],
    ("fetch",): ["wheels", "base"],
    ("index",): ["--help"],
    ("index", "measure"): ["torch-cpu", "nothing.whl"],
    ("index", "record"): ["nothing"],
    ("index", "serve"): ["nothing"],
    ("inspect",): ["versions.toml"],
    ("lint",): ["--offline"],
    ("outdated",): ["--offline"],
    ("pairs",): [],
    ("repair",): ["--offline"],
    ("resolve",): ["--offline"],
    ("sbom",): ["base:cpu"],
    ("schema",): [],
    ("size",): [],
    ("update",): ["--dry-run", "--no-audit"],
    ("verify",): [],
    ("why",): ["numpy"],
}
