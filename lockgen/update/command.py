"""`lockgen update`: open pull requests for available updates, each resolved and checked before it is opened."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

from lockgen.app import App
from lockgen.core.ports import Progress
from lockgen.errors import BadInput, Exit, Fault, ToolFailed
from lockgen.io.output import print_json, print_text
from lockgen.manifest.fingerprints import read_inputs
from lockgen.proof.service import Family, Prover
from lockgen.update import render as rendering
from lockgen.update.clone import Clone, open_clone
from lockgen.update.close_reasons import close_context
from lockgen.update.forges.locate import connect, is_server_of, location_of, take_tokens, token_variables
from lockgen.update.forges.model import ForgeKind, RemoteLocation, Token
from lockgen.update.git_session import LOCAL, remote_address
from lockgen.update.group_run import GroupRun
from lockgen.update.model import Waiting
from lockgen.update.ports import Forge
from lockgen.update.report import Report
from lockgen.update.run import UpdateRun, UpdateRunOptions
from lockgen.update.update_scan import ScanResult, UpdateScan, UpdateScanOptions, write_first_seen
from lockgen.upgrade.proving import UpgradeProof


def run(app: App, options: UpdateScanOptions) -> int:
    """Print the result of each group.

    Raises:
        BadInput: versions.toml, the clone or the environment does not allow an update; nothing was changed.
        ToolFailed: git, an index or the forge failed, after the report of what was done. The next run continues there.
    """
    progress = app.progress
    here = read_inputs(app.folder).manifest.update
    clone, forge = _open(app.root, options, here.base, here.forge, progress)
    # The base branch counts, not the user's working tree: they may differ.
    with ExitStack() as stack:
        base = stack.enter_context(clone.fresh())
        checkout = app.in_folder(Path(base))
        scan = UpdateScan(clone, checkout, options)
        found = scan.run()
        proof = stack.enter_context(_proof(scan, checkout, options))
        updater = UpdateRun(
            clone,
            forge,
            GroupRun(scan, found, options, checkout, proof).prepare,
            UpdateRunOptions(
                policy=scan.inputs.manifest.update,
                project=clone.project,
                dry_run=options.dry_run,
                unavailable=found.unavailable,
                context=close_context(scan.inputs.manifest, scan.lock, found.waiting, found.releases),
            ),
            progress,
        )
        try:
            faults = _update(found, updater, dry_run=options.dry_run)
        except BaseException:
            # Even after Ctrl-C or a bug: the pull requests that were opened until then must be reported.
            if updater.report.results:
                _show(updater.report, found.waiting, options, progress)
            raise
    _show(updater.report, found.waiting, options, progress)
    if faults:
        raise ToolFailed.of(faults)
    return Exit.DONE


def _update(found: ScanResult, updater: UpdateRun, *, dry_run: bool) -> list[Fault]:
    """Record first-seen times, and update all groups. Returns the faults on the way, and those of the scan."""
    faults = list(found.faults)
    if found.first_seen is not None and not dry_run:
        try:
            updater.record_first_seen(found.first_seen, write_first_seen)
        except ToolFailed as error:
            # Without the record a cooldown takes longer, but no update is wrong.
            faults += error.faults
    return [*updater.run(found.groups).faults, *faults]


def _show(report: Report, waiting: list[Waiting], options: UpdateScanOptions, progress: Progress) -> None:
    progress.step("")
    if options.as_json:
        data = rendering.as_json(report.results, waiting)
        print_json(data)
    else:
        print_text(rendering.text(report.results, waiting, bodies=options.dry_run), end="")


@contextmanager
def _proof(scan: UpdateScan, base: App, options: UpdateScanOptions) -> Iterator[UpgradeProof | None]:
    """What runs the images of updates; None if updates need only resolve."""
    manifest = scan.inputs.manifest
    wanted = manifest.update.prove
    if wanted == "resolve":
        yield None
        return
    with Prover(base, with_tests=wanted == "tests", live=options.live, no_cache=options.no_cache) as prover:
        yield UpgradeProof(Family(base, manifest, scan.lock), prover)


# -- the clone and the forge ---------------------------------------------------


def _open(
    root: Path, options: UpdateScanOptions, base: str | None, kind: ForgeKind | None, progress: Progress
) -> tuple[Clone, Forge | None]:
    """The clone, and the forge; None with --no-forge, and if a dry run cannot find it.

    Raises:
        BadInput: the forge or its token is unknown.
    """
    local = options.remote == LOCAL
    address = "" if local else remote_address(root, options.remote)
    # Taken in every case: no resolver or build that this run starts must see a token.
    tokens = take_tokens()
    if options.no_forge:
        token = _token_for_git(address, kind, tokens)
        return _open_clone(root, options, base, token), None
    if local and not options.dry_run:
        raise BadInput(
            "the clone itself has no pull requests",
            hint="use `--remote .` together with --no-forge, or name a remote: --remote origin",
        )
    try:
        location, token = _location_and_token(address, kind, tokens)
    except BadInput as error:
        if not options.dry_run:
            raise
        # A dry run is for trying the policy, and needs no account.
        progress.note(f"{error}: a dry run continues without the open pull requests")
        return _open_clone(root, options, base, None), None
    # The forge's API may be on another host than the remote, which must not see the token.
    git_token = token if is_server_of(location, address) else None
    clone = _open_clone(root, options, base, git_token)
    return clone, connect(location, token, clone.base_name)


def _location_and_token(
    address: str, kind: ForgeKind | None, tokens: Mapping[ForgeKind, Token]
) -> tuple[RemoteLocation, Token]:
    """Where pull requests go, and the token for it.

    Raises:
        BadInput: one of them is unknown.
    """
    location = location_of(address, kind)
    token = tokens.get(location.kind)
    if token is None:
        raise BadInput(
            f"no token for {location.kind}",
            hint=f"set {token_variables(location.kind)} in the environment; or push branches only: --no-forge",
        )
    return location, token


def _token_for_git(address: str, kind: ForgeKind | None, tokens: Mapping[ForgeKind, Token]) -> Token | None:
    """The token that git may send to the remote, if there is one."""
    try:
        location = location_of(address, kind)
    except BadInput:
        return None
    if not is_server_of(location, address):
        return None
    return tokens.get(location.kind)


def _open_clone(root: Path, options: UpdateScanOptions, base: str | None, token: Token | None) -> Clone:
    if token is None:
        return open_clone(root, options.remote, base)
    return open_clone(root, options.remote, base, token.value, token.user)
