"""`lockgen update`: pull requests for what is due, each resolved and checked before it is opened."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import click

from lockgen.app import App
from lockgen.core.ports import Progress
from lockgen.errors import BadInput, Exit, Fault, ToolFailed
from lockgen.manifest.fingerprints import read_inputs
from lockgen.update import render as rendering
from lockgen.update.clone import LOCAL, Clone, opened, remote_address
from lockgen.update.close_reasons import known_of
from lockgen.update.forges import ForgeKind, Token, forge_at, is_its_own, place_of, take_tokens, variables
from lockgen.update.group_run import GroupRun
from lockgen.update.model import UpdateGroup, Waiting
from lockgen.update.ports import Forge
from lockgen.update.run import Report, UpdateRun
from lockgen.update.run import UpdateRunOptions as Rules
from lockgen.update.update_scan import UpdateScan, UpdateScanOptions


def run(app: App, options: UpdateScanOptions) -> int:
    """Prints what came of each group.

    Raises:
        BadInput: versions.toml, the clone or the surroundings are in no state to work from; nothing was changed.
        ToolFailed: git, an index or the forge failed, after the report of what was done: the next run goes on there.
    """
    progress = app.progress
    here = read_inputs(app.folder).manifest.update
    clone, forge = _opened(app, options, here.base)
    with clone.fresh() as base:
        there = app.in_folder(Path(base))
        due = UpdateScan(clone, there, options)
        groups, waiting = due.groups()
        known = known_of(due.inputs.manifest, due.lock, waiting, due.releases)
        rules = Rules(due.inputs.manifest.update, clone.project, options.dry_run, due.blind, known)
        updater = UpdateRun(clone, forge, GroupRun(due, options, there).prepared, rules, progress)
        try:
            faults = _updated(due, updater, groups)
        except BaseException:
            # Ctrl-C, or a bug: what was opened until then is told all the same.
            if updater.report.told:
                _show(updater.report, waiting, options, progress)
            raise
    _show(updater.report, waiting, options, progress)
    if faults:
        raise ToolFailed.of(faults)
    return Exit.DONE


def _show(report: Report, waiting: list[Waiting], options: UpdateScanOptions, progress: Progress) -> None:
    progress.step("")
    if options.as_json:
        click.echo(json.dumps(rendering.as_json(report.told, waiting), indent=2))
    else:
        click.echo(rendering.text(report.told, waiting, bodies=options.dry_run), nl=False)


def _opened(app: App, options: UpdateScanOptions, base: str | None) -> tuple[Clone, Forge | None]:
    """The clone and the forge; None where there is none to be asked.

    Raises:
        BadInput: nobody says where pull requests go, or with which token.
    """
    wanted = read_inputs(app.folder).manifest.update.forge
    local = options.remote == LOCAL
    address = "" if local else remote_address(app.root, options.remote)
    tokens = take_tokens()
    if options.no_forge:
        return _clone(app.root, options, base, _token_of(address, wanted, tokens)), None
    if local and not options.dry_run:
        raise BadInput(
            "the clone itself has no pull requests",
            hint="`--remote .` goes with --no-forge; name a remote, as in --remote origin",
        )
    try:
        place = place_of(address, wanted)
    except BadInput as error:
        if not options.dry_run:
            raise
        app.progress.note(f"{error}: nobody knows which pull requests are open")
        return _clone(app.root, options, base, None), None
    token = tokens.get(place.kind)
    if token is None:
        if not options.dry_run:
            raise BadInput(
                f"there is no token for {place.kind}",
                hint=f"set {variables(place.kind)} in the environment; or make the branches only: --no-forge",
            )
        app.progress.note(f"without {variables(place.kind)} nobody knows which pull requests are open")
        return _clone(app.root, options, base, None), None
    clone = _clone(app.root, options, base, token if is_its_own(place, address) else None)
    return clone, forge_at(place, token, clone.base_name)


def _token_of(address: str, wanted: ForgeKind | None, tokens: Mapping[ForgeKind, Token]) -> Token | None:
    """The token that git may send to the remote, where there is one."""
    try:
        place = place_of(address, wanted)
    except BadInput:
        return None
    return tokens.get(place.kind) if is_its_own(place, address) else None


def _clone(root: Path, options: UpdateScanOptions, base: str | None, token: Token | None) -> Clone:
    value, user = (token.value, token.user) if token is not None else (None, "lockgen")
    return opened(root, options.remote, base, value, user)


def _updated(due: UpdateScan, updater: UpdateRun, groups: list[UpdateGroup]) -> list[Fault]:
    """Keeps the first sights, and takes the steps of all groups; what failed on the way, and what nobody could read."""
    faults = list(due.faults)
    if due.sights is not None and not due.options.dry_run:
        try:
            updater.remember(due.sights, due.write_sights)
        except ToolFailed as error:
            faults += error.faults
    return [*updater.run(groups).faults, *faults]


__all__ = ["UpdateScanOptions", "run"]
