"""The command line. Commands are imported when they are called, to keep `lockgen check` fast."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from lockgen import __version__
from lockgen.errors import BadInput, Exit, LockgenError

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from lockgen.app import App
    from lockgen.manifest.completion import NameKind

CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 100}
RESOLVERS = ("uv", "pip-compile")
SBOM_FORMATS = ("json", "xml")


@click.group(context_settings=CONTEXT)
@click.version_option(__version__, prog_name="lockgen")
@click.option(
    "--project",
    "-C",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="The folder with versions.toml (default: the current folder, or the nearest one above it that has the file).",
)
@click.option("--quiet", "-q", is_flag=True, help="Suppress progress output.")
@click.pass_context
def cli(context: click.Context, project: Path | None, quiet: bool) -> None:
    """Lock a family of PyTorch images from one versions.toml: hashed locks, requirement layers, no drift.

    -C and -q may also follow the command.

    Exit codes: 0 success; 1 a check found something; 2 bad input; 3 no solution; 4 a tool, an index or the disk
    failed; 70 a bug in lockgen; 130 interrupted.
    """
    context.obj = (project, quiet)


def _project_again(context: click.Context, parameter: click.Parameter, value: Path | None) -> None:
    """-C after the command: the later one wins."""
    if value is not None:
        root = context.find_root()
        # While a shell asks for completions, nothing has set it yet.
        quiet = root.obj is not None and root.obj[1]
        root.obj = context.obj = (value, quiet)


def _quiet_again(context: click.Context, parameter: click.Parameter, value: bool) -> None:
    if value:
        root = context.find_root()
        root.obj = context.obj = (root.obj[0], True)


def _accept_shared_options(group: click.Group) -> None:
    """Let every command and group below ``group`` take -C and -q, too; only the main help lists them."""
    folder = click.Path(exists=True, file_okay=False, path_type=Path)
    for command in group.commands.values():
        command.params += [
            click.Option(["--project", "-C"], type=folder, expose_value=False, hidden=True, callback=_project_again),
            click.Option(["--quiet", "-q"], is_flag=True, expose_value=False, hidden=True, callback=_quiet_again),
        ]
        if isinstance(command, click.Group):
            _accept_shared_options(command)


def _project(context: click.Context) -> Path:
    """The folder of -C, else the nearest one with a versions.toml, from the current folder upwards.

    Without any it is the current folder: some commands need no project, and the others report that there is none.
    """
    named: Path | None = context.obj[0]
    return named if named is not None else _nearest_project()


def _nearest_project() -> Path:
    # A broken link counts, too: it is reported where it is, instead of using another project.
    if os.path.lexists("versions.toml"):
        return Path()
    for folder in Path.cwd().parents:
        if os.path.lexists(folder / "versions.toml"):
            return folder
    return Path()


def _with_app(context: click.Context, work: Callable[[App], int]) -> int:
    """The exit code of ``work``, with progress shown on stderr while it runs."""
    from lockgen.app import App
    from lockgen.io.console import Console

    quiet: bool = context.obj[1]
    with Console(quiet) as console:
        return work(App.of(_project(context), console))


# -- options that several commands share ------------------------------------------

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]


def _names(kind: NameKind) -> Callable[[click.Context, click.Parameter, str], list[CompletionItem]]:
    """Completes names of the project."""

    def complete(context: click.Context, parameter: click.Parameter, begin: str) -> list[CompletionItem]:
        from click.shell_completion import CompletionItem

        from lockgen.manifest.completion import completions

        root = context.find_root()
        named = root.obj[0] if root.obj is not None else root.params.get("project")
        return [CompletionItem(name) for name in completions(named or _nearest_project(), kind, begin)]

    return complete


def json_option(what: str) -> Decorator:
    """``--json``; ``what`` is printed as JSON."""
    return click.option("--json", "as_json", is_flag=True, help=f"Print {what} as JSON.")


def sarif_option(what: str) -> Decorator:
    """``--sarif``; ``what`` is printed as SARIF."""
    return click.option("--sarif", "as_sarif", is_flag=True, help=f"Print {what} as SARIF 2.1.0.")


def fail_on_option(*outcomes: str) -> Decorator:
    """``--fail-on``, which may be repeated."""
    text = "Exit with 1 on this outcome; repeatable."
    return click.option("--fail-on", multiple=True, type=click.Choice(outcomes), help=text)


def resolver_option(text: str) -> Decorator:
    """``--resolver``, with the help ``text``."""
    return click.option("--resolver", type=click.Choice(RESOLVERS), default="uv", show_default=True, help=text)


strict_option = click.option("--strict", is_flag=True, help="Treat warnings as errors.")
offline_option = click.option("--offline", is_flag=True, help="Use caches only; send no requests.")
live_option = click.option("--live", is_flag=True, help="Query the indexes themselves instead of their records.")


class _Seconds(click.FloatRange):
    """A time limit. Python's own waits overflow beyond some centuries."""

    def convert(self, value: Any, parameter: click.Parameter | None, context: click.Context | None) -> float:
        number = float(super().convert(value, parameter, context))
        # NaN is neither smaller nor larger than a bound, so that the range does not refuse it.
        if number != number:
            self.fail(f"{value} is not a number.", parameter, context)
        return number


_MANY = 1_000_000
"""An upper bound for counts, so that none overflows in C."""

seconds_option = click.option(
    "--seconds",
    metavar="SECONDS",
    type=_Seconds(1, _MANY),
    default=60,
    show_default=True,
    help="Timeout per resolver call, in seconds.",
)
jobs_option = click.option(
    "--jobs", type=click.IntRange(1, 1000), metavar="N", help="Parallel resolver calls (default: one per core)."
)
no_cache_option = click.option("--no-cache", is_flag=True, help="Ignore cached answers.")
registry_option = click.option(
    "--registry", metavar="HOST/PATH", help="Use this registry instead of the one in versions.toml."
)
osv_option = click.option(
    "--api",
    envvar="LOCKGEN_OSV_API",
    default="https://api.osv.dev",
    show_default=True,
    metavar="URL",
    help="URL of the OSV API; also $LOCKGEN_OSV_API.",
)
database_option = click.option(
    "--database",
    type=click.Path(exists=True, path_type=Path),
    metavar="PATH",
    help="Read an OSV dump instead of the API: a folder of records, or the all.zip of PyPI.",
)

# -- commands -----------------------------------------------------------------------


@cli.command()
@click.option("--check", is_flag=True, help="Write nothing; exit with 1 if files would change.")
@offline_option
@live_option
@click.option(
    "--upgrade", "-U", is_flag=True, help="Upgrade every package without a pin to the latest compatible version."
)
@click.option(
    "--upgrade-package",
    "-P",
    "packages",
    multiple=True,
    metavar="NAME",
    shell_complete=_names("packages"),
    help="Upgrade only this package; repeatable.",
)
@resolver_option("The resolver.")
@strict_option
@no_cache_option
@json_option("the changes")
@click.pass_context
def resolve(context: click.Context, /, packages: tuple[str, ...], **flags: Any) -> int:
    """Resolve versions.toml; write locks, requirement files and Dockerfiles."""
    from lockgen.outputs.resolution_options import ResolveOptions
    from lockgen.outputs.resolve_command import run

    return _with_app(context, lambda app: run(app, ResolveOptions(**flags, upgrade_packages=packages)))


@cli.command()
@strict_option
@json_option("the findings")
@click.pass_context
def check(context: click.Context, strict: bool, as_json: bool) -> int:
    """Verify that generated files are up to date.

    Needs neither a network nor a resolver. On drift, prints a diff and the fix, and exits with 1."""
    from lockgen.check.command import run

    return run(_project(context), strict=strict, as_json=as_json, quiet=context.obj[1])


@cli.command()
@click.argument("old", required=False)
@click.argument("new", required=False)
@click.option("--format", "style", type=click.Choice(["text", "markdown", "json"]), default="text", show_default=True)
@click.option("--json", "as_json", is_flag=True, help="Short for --format json.")
@click.pass_context
def diff(context: click.Context, old: str | None, new: str | None, style: str, as_json: bool) -> int:
    """Show what changed between two locks, per image.

    OLD and NEW are git refs or paths of lock files; by default HEAD and the lock in the working tree.
    """
    from lockgen.diff.command import run

    return run(_project(context), old, new, "json" if as_json else style)  # type: ignore[arg-type]


@cli.command()
@click.argument("package", shell_complete=_names("packages"))
@click.argument("images", nargs=-1, shell_complete=_names("images"))
@json_option("the paths")
@click.pass_context
def why(context: click.Context, package: str, images: tuple[str, ...], as_json: bool) -> int:
    """Show why images contain PACKAGE: the dependency paths to it.

    IMAGES limits the output to these images."""
    from lockgen.why.command import run

    return run(_project(context), package, images, as_json=as_json)


@cli.command()
@click.argument("images", nargs=-1, shell_complete=_names("images"))
@click.option("--push", is_flag=True, help="Push the built images.")
@click.option(
    "--affected", metavar="REF", help="Build only images that changed since a git ref, and the images based on them."
)
@click.option("--base", "bases", multiple=True, metavar="NAME=OTHER", help="Replace a variant's base image.")
@click.option("--builder", metavar="NAME", help="A buildx builder or a Docker context.")
@registry_option
@click.option(
    "--wheelhouse",
    type=click.Path(path_type=Path),
    help="Install from a folder that `lockgen fetch` filled; no network.",
)
@click.option("--cache", metavar="REF", help="Registry reference of the build cache.")
@click.option("--no-cache", is_flag=True, help="Do not use the build cache.")
@click.option("--accept-drift", is_flag=True, help="Build even if `lockgen check` reports drift.")
@click.option("--dry-run", is_flag=True, help="List the images that would be built.")
@json_option("the summary")
@click.pass_context
def build(context: click.Context, /, images: tuple[str, ...], **flags: Any) -> int:
    """Build images with docker buildx bake.

    IMAGES are names, or IMAGE:VARIANT.
    """
    from lockgen.images.build_command import BuildOptions, run

    return _with_app(context, lambda app: run(app, images, BuildOptions(**flags)))


@cli.command()
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@click.argument("images", nargs=-1, shell_complete=_names("images"))
@click.pass_context
def fetch(context: click.Context, folder: Path, images: tuple[str, ...]) -> int:
    """Download the locked files, for offline builds.

    `lockgen build --wheelhouse FOLDER` installs from them."""
    from lockgen.images.fetch_command import run

    return _with_app(context, lambda app: run(app, folder, images))


@cli.command()
@click.argument("images", nargs=-1, shell_complete=_names("images"))
@registry_option
@click.option("--run", is_flag=True, help="Also run the checks of matching images, in containers.")
@click.option("--gpus", metavar="VALUE", help="GPUs for --run, as for docker run: all.")
@json_option("the verdicts")
@click.pass_context
def verify(context: click.Context, /, images: tuple[str, ...], **flags: Any) -> int:
    """Verify that built images contain exactly what is locked.

    With --run, also import their packages and run their tests: check-imports and tests of versions.toml.
    """
    from lockgen.images.verify_command import VerifyOptions, run

    return _with_app(context, lambda app: run(app, images, VerifyOptions(**flags)))


@cli.command()
@click.argument("image", shell_complete=_names("images"))
@json_option("the findings")
@click.pass_context
def inspect(context: click.Context, image: str, as_json: bool) -> int:
    """Find packages duplicated across the layers of an image.

    IMAGE is an image of the engine or of a registry, a `docker save` archive, or an OCI layout folder.
    """
    from lockgen.images.inspect_command import run

    return _with_app(context, lambda app: run(app, image, as_json=as_json))


@cli.command()
@click.argument("images", nargs=-1, shell_complete=_names("images"))
@json_option("the sizes")
@click.pass_context
def size(context: click.Context, images: tuple[str, ...], as_json: bool) -> int:
    """Show image sizes before building.

    Download and installed bytes per layer, in three layouts."""
    from lockgen.size.command import run

    return run(_project(context), images, as_json=as_json)


@cli.command()
@click.argument("variants", nargs=-1, shell_complete=_names("variants"))
@click.option("--limit", type=click.IntRange(1, _MANY), metavar="N", help="Stop after N conflicts.")
@offline_option
@live_option
@seconds_option
@jobs_option
@no_cache_option
@json_option("the conflicts")
@click.pass_context
def explain(context: click.Context, /, variants: tuple[str, ...], **flags: Any) -> int:
    """Explain why resolving fails: every minimal conflict.

    VARIANTS are names from versions.toml (default: all). Ctrl-C stops and prints the conflicts found so far.
    """
    from lockgen.conflicts.explain_command import ExplainOptions, run

    return _with_app(context, lambda app: run(app, variants, ExplainOptions(**flags)))


@cli.command()
@click.argument("cells", nargs=-1, metavar="[CELL]...")
@json_option("the matrix")
@click.option("--markdown", "as_markdown", is_flag=True, help="Print the matrix in the format of locks/COMPAT.md.")
@click.option("--html", "as_html", is_flag=True, help="Print the matrix as one self-contained HTML page.")
@fail_on_option("no", "changes", "unknown", "does-not-run")
@jobs_option
@seconds_option
@offline_option
@live_option
@no_cache_option
@click.option(
    "--install", is_flag=True, help="Install each solution into a temporary environment and import its packages."
)
@click.option("--list", "only_list", is_flag=True, help="Print the names of the cells, one per line.")
@click.option("--shard", metavar="I/N", help="Run only part I of N of the matrix.")
@click.option("--merge", is_flag=True, help="Merge shards; CELLS are the JSON files of the shards.")
@click.pass_context
def compat(context: click.Context, /, cells: tuple[str, ...], **flags: Any) -> int:
    """Show which Pythons, torches and variants work together.

    The matrix is declared in [compat].

    CELLS are names or parts of names, such as "python=3.11 torch=2.5.1". Without CELLS, all cells run and
    locks/COMPAT.md is written.
    """
    from lockgen.compat.command import run
    from lockgen.compat.matrix_run import CompatOptions

    return _with_app(context, lambda app: run(app, cells, CompatOptions(**flags)))


@cli.command()
@click.option(
    "--apply", type=click.IntRange(1, _MANY), is_flag=False, flag_value=1, metavar="[N]", help="Write proposal N (1)."
)
@click.option("--count", type=click.IntRange(1, _MANY), default=3, show_default=True, help="Number of proposals.")
@offline_option
@live_option
@seconds_option
@jobs_option
@no_cache_option
@json_option("the proposals")
@click.pass_context
def repair(context: click.Context, /, **flags: Any) -> int:
    """Propose the smallest changes that make versions.toml resolve.

    Each proposal is verified before it is shown.

    Proposals change as few pins as possible, then as little as possible. If another index of versions.toml has what is
    missing, a proposal lists the package there. Held pins never change, nor does the URL of an index.
    """
    from lockgen.conflicts.repair_command import RepairOptions, run

    return _with_app(context, lambda app: run(app, RepairOptions(**flags)))


@cli.command()
@json_option("the rows")
@click.option("--markdown", "as_markdown", is_flag=True, help="Print the rows as Markdown.")
@fail_on_option("outdated", "unknown")
@offline_option
@live_option
@seconds_option
@jobs_option
@no_cache_option
@click.pass_context
def outdated(context: click.Context, /, **flags: Any) -> int:
    """Show outdated pins and base images.

    Current, latest compatible and latest version, and which images use them.

    torch, torchaudio and torchvision share one row per table that pins them.
    """
    from lockgen.upgrade.outdated_command import OutdatedOptions, run

    return _with_app(context, lambda app: run(app, OutdatedOptions(**flags)))


@cli.command()
@click.argument("packages", nargs=-1, metavar="NAME[==VERSION]...", shell_complete=_names("pins"))
@click.option(
    "--variant",
    "variants",
    multiple=True,
    metavar="NAME[=ACCELERATOR]",
    shell_complete=_names("variants"),
    help="Change only this variant's pins, or its accelerator, such as cuda=cu124; repeatable.",
)
@click.option(
    "--base",
    "bases",
    multiple=True,
    metavar="VARIANT[=IMAGE]",
    help="Change a variant's base image; without IMAGE to the latest tag of the same kind; repeatable.",
)
@click.option("--exclude-newer", metavar="WHEN", help="Change exclude-newer too, such as 2025-11-04T00:00:00Z.")
@click.option("--add-pin", is_flag=True, help="Add a pin to [pins] for packages without one.")
@click.option("--dry-run", is_flag=True, help="Show the result; write nothing.")
@click.option(
    "--prove", is_flag=True, help="Run the changed images before writing: import their packages, run their tests."
)
@offline_option
@live_option
@resolver_option("The resolver that makes the lock.")
@seconds_option
@jobs_option
@no_cache_option
@json_option("the changed pins and packages")
@click.pass_context
def bump(context: click.Context, /, packages: tuple[str, ...], **flags: Any) -> int:
    """Change pins, relock minimally and rewrite generated files.

    Other pins change only if they must.

    NAME alone takes the latest compatible version. torch, torchaudio and torchvision change together and keep their
    accelerator. Without a solution, the conflict is explained and nothing changes.

    With --prove, NAME takes the latest version with which the images run as before. Exits with 1 if there is none.
    """
    from lockgen.upgrade.bump import BumpOptions
    from lockgen.upgrade.bump_command import run

    return _with_app(context, lambda app: run(app, packages, BumpOptions(**flags)))


@cli.command()
@click.option("--refresh", is_flag=True, help="Rebuild the table from the default index and the records, and write it.")
@click.option(
    "--output", default="locks/pairs.json", show_default=True, metavar="PATH", help="Output file of --refresh."
)
@json_option("the table")
@click.pass_context
def pairs(context: click.Context, /, **flags: Any) -> int:
    """Show which releases of torch and its family belong together.

    According to the metadata of torch, torchaudio and torchvision."""
    from lockgen.pairs.command import PairsOptions, run

    return _with_app(context, lambda app: run(app, PairsOptions(**flags)))


@cli.command()
@database_option
@osv_option
@click.option("--offline", is_flag=True, help="Send no requests; needs --database.")
@click.option("--files", is_flag=True, help="Check instead that indexes still have the locked files, unchanged.")
@click.option("--no-fix", is_flag=True, help="Do not search for fixes.")
@click.option("--repair", is_flag=True, help="If one upgrade is not enough, search for pins to change with it.")
@click.option(
    "--fail-on",
    type=click.Choice(["low", "medium", "high", "critical"]),
    help="Exit with 1 only from this severity on; unrated vulnerabilities count.",
)
@seconds_option
@no_cache_option
@json_option("the findings")
@sarif_option("the findings")
@click.pass_context
def audit(context: click.Context, /, **flags: Any) -> int:
    """Find known vulnerabilities and the smallest fix.

    Lists the affected packages and images.

    Exits with 1 if a vulnerability is found that [audit] does not ignore.
    With --files, exits with 1 if a locked file is gone, yanked or replaced.
    """
    from lockgen.audit.command import AuditOptions, run

    return _with_app(context, lambda app: run(app, AuditOptions(**flags)))


@cli.command()
@click.option("--dry-run", is_flag=True, help="Show everything, texts included; change nothing.")
@click.option("--no-forge", is_flag=True, help="Push branches; open no pull requests.")
@click.option("--remote", default="origin", show_default=True, metavar="NAME", help="The remote to push to.")
@database_option
@osv_option
@click.option("--no-audit", is_flag=True, help="Skip the vulnerability check.")
@live_option
@seconds_option
@jobs_option
@no_cache_option
@json_option("the result of each group")
@click.pass_context
def update(context: click.Context, /, **flags: Any) -> int:
    """Open or refresh pull requests for due updates.

    The policy is in [update]. Each update is resolved and passes `lockgen check` first.

    The token is read from GITHUB_TOKEN or GH_TOKEN, GITLAB_TOKEN or CI_JOB_TOKEN. Safe to run again after a failure.
    """
    from lockgen.update.command import run
    from lockgen.update.update_scan import UpdateScanOptions

    return _with_app(context, lambda app: run(app, UpdateScanOptions(**flags)))


@cli.command()
@offline_option
@json_option("the findings")
@sarif_option("the findings")
@click.pass_context
def lint(context: click.Context, /, **flags: Any) -> int:
    """Find unused packages and imports without a package.

    Reads the programs of stages and the folders that images copy; wheels show which package provides a module.
    """
    from lockgen.lint.command import LintOptions, run

    return _with_app(context, lambda app: run(app, LintOptions(**flags)))


@cli.command()
@click.argument("images", nargs=-1, shell_complete=_names("images"))
@click.option(
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="FOLDER",
    help="Write one file per image to FOLDER; without it, print one image.",
)
@click.option("--format", "style", type=click.Choice(SBOM_FORMATS), default=SBOM_FORMATS[0], show_default=True)
@click.pass_context
def sbom(context: click.Context, /, images: tuple[str, ...], **flags: Any) -> int:
    """Write a CycloneDX bill of materials per image.

    CycloneDX 1.6, from the lock: reproducible and offline.

    IMAGES are names, or IMAGE:VARIANT. The timestamp is $SOURCE_DATE_EPOCH, or exclude-newer.
    """
    from lockgen.sbom.command import SbomOptions, run

    return run(_project(context), images, SbomOptions(**flags))


@cli.command()
def schema() -> int:
    """Print the JSON schema of versions.toml."""
    from lockgen.manifest.schema_command import run

    return run()


@cli.group()
def index() -> None:
    """Record an index, or serve a record."""


@index.command("record")
@click.argument("name", shell_complete=_names("indexes"))
@click.option(
    "--package",
    "packages",
    multiple=True,
    metavar="NAME",
    shell_complete=_names("packages"),
    help="Refresh only this package; repeatable.",
)
@click.pass_context
def index_record(context: click.Context, name: str, packages: tuple[str, ...]) -> int:
    """Create or refresh the record of index NAME from the live index."""
    from lockgen.index.record_command import record

    return _with_app(context, lambda app: record(app, name, packages))


@index.command("measure")
@click.argument("name", shell_complete=_names("indexes"))
@click.argument("wheels", nargs=-1, required=True, type=click.Path(dir_okay=False, path_type=Path))
@click.pass_context
def index_measure(context: click.Context, name: str, wheels: tuple[Path, ...]) -> int:
    """Add the sizes of wheels to the record of index NAME, from local copies.

    WHEELS are files whose sha256 is in the record; other files are refused.
    """
    from lockgen.index.measure_command import run

    return _with_app(context, lambda app: run(app, name, wheels))


@index.command("serve")
@click.argument("names", nargs=-1, shell_complete=_names("indexes"))
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="The port (default: any free port).")
@click.pass_context
def index_serve(context: click.Context, names: tuple[str, ...], port: int) -> int:
    """Serve the records of the indexes NAMES (default: all) on loopback until Ctrl-C."""
    from lockgen.index.record_command import serve

    return _with_app(context, lambda app: serve(app, names, port))


_accept_shared_options(cli)


def main() -> None:
    """Run the `lockgen` command and exit with its exit code."""
    from lockgen.io.output import install_streams

    install_streams()
    for number in (signal.SIGTERM, signal.SIGHUP):
        # Signals that were ignored at the start stay ignored: nohup ignores SIGHUP, and shells start background jobs
        # with SIGINT ignored, which Python respects by itself.
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _stop)
    try:
        code = guarded(sys.argv[1:])
    finally:
        # All is done and said: another Ctrl-C must not add a traceback from the end of the process.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        from lockgen.io.stopping import stop_for_good

        stop_for_good()
    sys.exit(code)


_UNCHANGED = "no file is half written; the next command completes or discards the changes"


def _stop(number: int, frame: object) -> NoReturn:
    """Stop like Ctrl-C: subprocesses end and temporary files are removed."""
    _say(f"stopped: {_UNCHANGED}")
    sys.exit(128 + number)


def guarded(arguments: list[str]) -> int:
    """Run one command line and return its exit code; failures are reported on stderr."""
    try:
        return _run(arguments)
    except LockgenError as error:
        from lockgen.io.console import show_error

        show_error(error)
        _drop_unwritten()
        return error.exit_code
    except click.exceptions.Exit as stop:
        return stop.exit_code
    except click.ClickException as error:
        _say(_usage_error(error))
        return Exit.BAD_INPUT
    except (KeyboardInterrupt, click.Abort):
        _say(f"interrupted: {_UNCHANGED}")
        return Exit.INTERRUPTED
    except BrokenPipeError:
        # The reader of stdout has closed it (`lockgen diff | head`): not an error.
        _drop_unwritten()
        return Exit.DONE
    except OSError as error:
        _say(f"error: {_system_error(error)}")
        return Exit.TOOL
    except Exception as error:
        return _bug(error)


def _run(arguments: list[str]) -> int:
    for argument in arguments:
        # Such an argument could be neither printed nor sent, nor be a path of a project.
        if not argument.isprintable() and any("\ud800" <= char <= "\udfff" for char in argument):
            raise BadInput(f"this argument is not valid UTF-8: {os.fsencode(argument)!r}")
    if "_LOCKGEN_COMPLETE" in os.environ:  # a shell asks for completions
        cli.main(arguments, prog_name="lockgen")
    # Not main(): it would answer a closed pipe with exit code 1.
    with cli.make_context("lockgen", arguments) as context:
        return int(cli.invoke(context) or 0)


def _say(text: str) -> None:
    """Print on stderr."""
    from lockgen.io.console import say

    say(text)


def _drop_unwritten() -> None:
    """After a failed write to stdout: what is left in its buffer would fail again when Python exits."""
    try:
        sys.stdout.flush()
    except (OSError, LockgenError):
        from lockgen.io.output import discard_output

        discard_output()


def _usage_error(error: click.ClickException) -> str:
    """The text that click prints: the usage of the command, and what is wrong."""
    text = f"Error: {error.format_message()}"
    context = error.ctx if isinstance(error, click.UsageError) else None
    if context is None:
        return text
    lines = [context.get_usage()]
    if context.command.get_help_option(context) is not None:
        lines.append(f"Try '{context.command_path} {context.help_option_names[0]}' for help.")
    return "\n".join([*lines, "", text])


def _system_error(error: OSError) -> str:
    """One line about a file, a folder or a device that cannot be used."""
    reason = error.strerror or str(error)
    return f"{os.fsdecode(error.filename)}: {reason}" if isinstance(error.filename, str | bytes) else reason


def _bug(error: Exception) -> int:
    import traceback

    _say("".join(traceback.format_exception(error)))
    _say(f"error: this is a bug of lockgen {__version__}: please report it with the lines above")
    return Exit.BUG
