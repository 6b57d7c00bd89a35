"""The command line. Every command is imported when it is called: `check` must be quick."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import click

from lockgen import __version__
from lockgen.errors import Exit, LockgenError

CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 100}
RESOLVERS = ("uv", "pip-compile")


@click.group(context_settings=CONTEXT)
@click.version_option(__version__, prog_name="lockgen")
@click.option(
    "--project",
    "-C",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    default=Path(),
    help="The folder that holds versions.toml (default: this one).",
)
@click.option("--quiet", "-q", is_flag=True, help="Say nothing but data and errors.")
@click.pass_context
def cli(context: click.Context, project: Path, quiet: bool) -> None:
    """One versions.toml for a family of PyTorch images: hashed locks, requirement layers, no drift.

    Exit codes: 0 done; 1 a check found something; 2 bad input; 3 no resolution; 4 a tool, an index or the disk failed;
    70 a bug of lockgen; 130 interrupted.
    """
    context.obj = (project, quiet)


def _talking(context: click.Context, work: Callable[..., int], *arguments: object) -> int:
    from lockgen.io.console import Console

    project, quiet = context.obj
    with Console(quiet) as talk:
        return work(project, *arguments, talk)


@cli.command()
@click.option("--check", is_flag=True, help="Write nothing; exit with 1 where something would be written.")
@click.option("--offline", is_flag=True, help="Use the caches only.")
@click.option("--live", is_flag=True, help="Ask the indexes themselves instead of their records.")
@click.option("--upgrade", "-U", is_flag=True, help="Take the newest that fits of everything without a pin.")
@click.option(
    "--upgrade-package",
    "-P",
    "packages",
    multiple=True,
    metavar="NAME",
    help="The same for one package; repeatable.",
)
@click.option("--resolver", type=click.Choice(RESOLVERS), default="uv", show_default=True, help="What resolves.")
@click.option("--json", "as_json", is_flag=True, help="Print what changed as JSON.")
@click.pass_context
def resolve(context: click.Context, /, packages: tuple[str, ...], **flags: Any) -> int:
    """Resolve versions.toml; write the lock, the requirement files and the layers."""
    from lockgen.outputs.resolve_command import ResolveOptions, run

    return _talking(context, lambda root, talk: run(root, ResolveOptions(**flags, upgrade_packages=packages), talk))


@cli.command()
@click.option("--json", "as_json", is_flag=True, help="Print the findings as JSON.")
@click.pass_context
def check(context: click.Context, as_json: bool) -> int:
    """Check offline that every generated file is what versions.toml and the lock come to."""
    from lockgen.check.command import run

    return run(context.obj[0], as_json=as_json)


@cli.command()
@click.argument("old", required=False)
@click.argument("new", required=False)
@click.option("--format", "style", type=click.Choice(["text", "markdown", "json"]), default="text", show_default=True)
@click.option("--json", "as_json", is_flag=True, help="The same as --format json.")
@click.pass_context
def diff(context: click.Context, old: str | None, new: str | None, style: str, as_json: bool) -> int:
    """Show what changed between two locks, per image.

    OLD and NEW are git refs or paths of lock files; by default HEAD and the lock in the working tree.
    """
    from lockgen.diff.command import run

    return run(context.obj[0], old, new, "json" if as_json else style)  # type: ignore[arg-type]


@cli.command()
@click.argument("package")
@click.argument("images", nargs=-1)
@click.option("--json", "as_json", is_flag=True, help="Print the paths as JSON.")
@click.pass_context
def why(context: click.Context, package: str, images: tuple[str, ...], as_json: bool) -> int:
    """Show the paths from images to PACKAGE, with the versions asked for. IMAGES narrows them."""
    from lockgen.why.command import run

    return run(context.obj[0], package, images, as_json=as_json)


@cli.command()
@click.argument("images", nargs=-1)
@click.option("--push", is_flag=True, help="Push what was built.")
@click.option("--affected", metavar="REF", help="Only images that changed since a git ref, and what stands on them.")
@click.option("--base", "bases", multiple=True, metavar="NAME=OTHER", help="Another image for a variant's base image.")
@click.option("--builder", metavar="NAME", help="A buildx builder or a Docker context.")
@click.option("--registry", metavar="HOST/PATH", help="Another registry than versions.toml's.")
@click.option(
    "--wheelhouse", type=click.Path(path_type=Path), help="Install from what `lockgen fetch` filled; no network."
)
@click.option("--cache", metavar="REF", help="Where a registry keeps the build cache.")
@click.option("--no-cache", is_flag=True, help="Run every step.")
@click.option("--accept-drift", is_flag=True, help="Build what is there even where `check` finds something.")
@click.option("--dry-run", is_flag=True, help="Only say which images would be built.")
@click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON.")
@click.pass_context
def build(context: click.Context, /, images: tuple[str, ...], **flags: Any) -> int:
    """Build images with docker buildx bake; all of the family, or those named.

    IMAGES are names, or IMAGE:VARIANT.
    """
    from lockgen.images.build_command import BuildOptions, run

    return _talking(context, lambda root, talk: run(root, images, BuildOptions(**flags), talk))


@cli.command()
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@click.argument("images", nargs=-1)
@click.pass_context
def fetch(context: click.Context, folder: Path, images: tuple[str, ...]) -> int:
    """Fill FOLDER with the locked files, for `lockgen build --wheelhouse FOLDER` without a network."""
    from lockgen.images.fetch_command import run

    return _talking(context, lambda root, talk: run(root, folder, images, talk))


@cli.command()
@click.argument("images", nargs=-1)
@click.option("--registry", metavar="HOST/PATH", help="Another registry than versions.toml's.")
@click.option("--json", "as_json", is_flag=True, help="Print the verdicts as JSON.")
@click.pass_context
def verify(context: click.Context, images: tuple[str, ...], registry: str | None, as_json: bool) -> int:
    """Verify that built images hold exactly what the lock says, in layers that hold."""
    from lockgen.images.verify_command import run

    return _talking(context, lambda root, talk: run(root, images, registry, talk, as_json=as_json))


@cli.command()
@click.argument("image")
@click.option("--json", "as_json", is_flag=True, help="Print the findings as JSON.")
@click.pass_context
def inspect(context: click.Context, image: str, as_json: bool) -> int:
    """Find packages that an image's layers hold for nothing.

    IMAGE is any image of the engine or a registry, a file of `docker save`, or a folder with an OCI layout.
    """
    from lockgen.images.inspect_command import run

    return _talking(context, lambda root, talk: run(root, image, talk, as_json=as_json))


@cli.command()
@click.argument("images", nargs=-1)
@click.option("--json", "as_json", is_flag=True, help="Print the sizes as JSON.")
@click.pass_context
def size(context: click.Context, images: tuple[str, ...], as_json: bool) -> int:
    """Forecast from the lock what images weigh: download and installed bytes, per layer, in three layouts."""
    from lockgen.size.command import run

    return run(context.obj[0], images, as_json=as_json)


@cli.command()
@click.argument("variants", nargs=-1)
@click.option("--limit", type=click.IntRange(1), metavar="N", help="Stop after N conflicts.")
@click.option("--offline", is_flag=True, help="Use the caches only.")
@click.option("--live", is_flag=True, help="Ask the indexes themselves instead of their records.")
@click.option("--seconds", type=click.FloatRange(1), default=60, show_default=True, help="The most for one question.")
@click.option("--jobs", type=click.IntRange(1), metavar="N", help="Questions at once (default: one a core).")
@click.option("--no-cache", is_flag=True, help="Ask everything anew.")
@click.option("--json", "as_json", is_flag=True, help="Print the conflicts as JSON.")
@click.pass_context
def explain(context: click.Context, /, variants: tuple[str, ...], **flags: Any) -> int:
    """Explain why there is no resolution: every minimal set of pins and requirements that cannot hold together.

    VARIANTS are those of versions.toml; all by default. Ctrl-C ends it with what it has.
    """
    from lockgen.conflicts.explain_command import ExplainOptions, run

    return _talking(context, lambda root, talk: run(root, variants, ExplainOptions(**flags), talk))


@cli.command()
@click.argument("cells", nargs=-1, metavar="[CELL]...")
@click.option("--json", "as_json", is_flag=True, help="Print the matrix as JSON.")
@click.option("--markdown", "as_markdown", is_flag=True, help="Print it as locks/COMPAT.md has it.")
@click.option("--html", "as_html", is_flag=True, help="Print it as one self-contained page.")
@click.option(
    "--fail-on", multiple=True, type=click.Choice(["no", "changes", "unknown"]), help="Exit with 1 on it; repeatable."
)
@click.option("--jobs", type=click.IntRange(1), metavar="N", help="Cells at once (default: one a core).")
@click.option("--seconds", type=click.FloatRange(1), default=60, show_default=True, help="The most for one question.")
@click.option("--offline", is_flag=True, help="Use the caches only.")
@click.option("--live", is_flag=True, help="Ask the indexes themselves instead of their records.")
@click.option("--no-cache", is_flag=True, help="Resolve every cell anew.")
@click.option("--install", is_flag=True, help="Install what resolves into throw-away environments, and import it.")
@click.option("--list", "only_list", is_flag=True, help="Only print the names of the cells, one a line.")
@click.option("--shard", metavar="I/N", help="Only the I-th of N parts of the matrix.")
@click.option("--merge", is_flag=True, help="Put shards together: CELLS are then the files with their JSON.")
@click.pass_context
def compat(context: click.Context, /, cells: tuple[str, ...], **flags: Any) -> int:
    """Show which combinations of Python, torch and variant resolve, as [compat] declares them.

    CELLS are names or parts of names, as in "python=3.11 torch=2.5.1"; by default all, which writes locks/COMPAT.md.
    """
    from lockgen.compat.command import CompatOptions, run

    return _talking(context, lambda root, talk: run(root, cells, CompatOptions(**flags), talk))


@cli.command()
@click.option(
    "--apply", type=click.IntRange(1), is_flag=False, flag_value=1, metavar="[N]", help="Write proposal N (1)."
)
@click.option("--count", type=click.IntRange(1), default=3, show_default=True, help="How many proposals to look for.")
@click.option("--offline", is_flag=True, help="Use the caches only.")
@click.option("--live", is_flag=True, help="Ask the indexes themselves instead of their records.")
@click.option("--seconds", type=click.FloatRange(1), default=60, show_default=True, help="The most for one question.")
@click.option("--jobs", type=click.IntRange(1), metavar="N", help="Questions at once (default: one a core).")
@click.option("--no-cache", is_flag=True, help="Ask everything anew.")
@click.option("--json", "as_json", is_flag=True, help="Print the proposals as JSON.")
@click.pass_context
def repair(context: click.Context, /, **flags: Any) -> int:
    """Propose the smallest changes to versions.toml after which it resolves; each was resolved before it is shown.

    Fewest pins first, then nearest versions; never a pin that is held, another accelerator or another index.
    """
    from lockgen.conflicts.repair_command import RepairOptions, run

    return _talking(context, lambda root, talk: run(root, RepairOptions(**flags), talk))


@cli.command()
@click.option("--json", "as_json", is_flag=True, help="Print the rows as JSON.")
@click.option("--markdown", "as_markdown", is_flag=True, help="Print them as Markdown.")
@click.option(
    "--fail-on", multiple=True, type=click.Choice(["outdated", "unknown"]), help="Exit with 1 on it; repeatable."
)
@click.option("--offline", is_flag=True, help="Use the caches only; say what is not known then.")
@click.option("--live", is_flag=True, help="Ask the indexes themselves instead of their records.")
@click.option("--seconds", type=click.FloatRange(1), default=60, show_default=True, help="The most for one question.")
@click.option("--jobs", type=click.IntRange(1), metavar="N", help="Questions at once (default: one a core).")
@click.option("--no-cache", is_flag=True, help="Ask everything anew.")
@click.pass_context
def outdated(context: click.Context, /, **flags: Any) -> int:
    """Show how old every pin and base image is: the newest that fits all else, the newest at all, who uses it.

    torch's family is one row for each table that pins it, on its own index and accelerator.
    """
    from lockgen.upgrade.outdated_command import OutdatedOptions, run

    return _talking(context, lambda root, talk: run(root, OutdatedOptions(**flags), talk))


@cli.command()
@click.argument("packages", nargs=-1, metavar="NAME[==VERSION]...")
@click.option(
    "--variant",
    "variants",
    multiple=True,
    metavar="NAME[=ACCELERATOR]",
    help="Move only this variant's own pins, or move it to another accelerator, as in cuda=cu124; repeatable.",
)
@click.option(
    "--base",
    "bases",
    multiple=True,
    metavar="VARIANT[=IMAGE]",
    help="Another base image for a variant; without IMAGE the newest of its kind; repeatable.",
)
@click.option("--exclude-newer", metavar="WHEN", help="Move the cut-off too, as in 2025-11-04T00:00:00Z.")
@click.option("--add-pin", is_flag=True, help="Add a pin to [pins] for what has none.")
@click.option("--dry-run", is_flag=True, help="Show everything, write nothing.")
@click.option("--offline", is_flag=True, help="Use the caches only.")
@click.option("--live", is_flag=True, help="Ask the indexes themselves instead of their records.")
@click.option("--resolver", type=click.Choice(RESOLVERS), default="uv", show_default=True, help="What makes the lock.")
@click.option("--seconds", type=click.FloatRange(1), default=60, show_default=True, help="The most for one question.")
@click.option("--jobs", type=click.IntRange(1), metavar="N", help="Questions at once (default: one a core).")
@click.option("--no-cache", is_flag=True, help="Ask everything anew.")
@click.option("--json", "as_json", is_flag=True, help="Print what moved and what changed as JSON.")
@click.pass_context
def bump(context: click.Context, /, packages: tuple[str, ...], **flags: Any) -> int:
    """Move pins to other versions, all that must move with them too; relock minimally, write every file anew.

    NAME takes the newest that is allowed. torch takes torchaudio and torchvision along, and keeps its accelerator.
    Without a solution it explains why, and nothing is changed.
    """
    from lockgen.upgrade.bump_command import BumpOptions, run

    return _talking(context, lambda root, talk: run(root, packages, BumpOptions(**flags), talk))


@cli.command()
@click.option("--refresh", is_flag=True, help="Read it off the default index and the records, and write it.")
@click.option("--output", default="locks/pairs.json", show_default=True, metavar="PATH", help="Where --refresh writes.")
@click.option("--json", "as_json", is_flag=True, help="Print the table as JSON.")
@click.pass_context
def pairs(context: click.Context, /, **flags: Any) -> int:
    """Show which torch, torchaudio and torchvision belong together, as far as metadata says it."""
    from lockgen.pairs.command import PairsOptions, run

    return _talking(context, lambda root, talk: run(root, PairsOptions(**flags), talk))


_osv = click.option(
    "--api",
    envvar="LOCKGEN_OSV_API",
    default="https://api.osv.dev",
    show_default=True,
    metavar="URL",
    help="Where OSV's API is; also $LOCKGEN_OSV_API.",
)


@cli.command()
@click.option(
    "--database",
    type=click.Path(exists=True, path_type=Path),
    metavar="PATH",
    help="A dump of OSV instead of its API: a folder of records, or the all.zip of PyPI.",
)
@_osv
@click.option("--offline", is_flag=True, help="Ask nobody: for fixes use the caches only. Needs --database.")
@click.option("--no-fix", is_flag=True, help="Do not look for upgrades.")
@click.option(
    "--repair", is_flag=True, help="Where one release alone does not do, look for other pins to move with it."
)
@click.option(
    "--fail-on",
    type=click.Choice(["low", "medium", "high", "critical"]),
    help="Exit with 1 from this level on only; what nobody has rated counts.",
)
@click.option("--seconds", type=click.FloatRange(1), default=60, show_default=True, help="The most for one question.")
@click.option("--no-cache", is_flag=True, help="Ask everything anew.")
@click.option("--json", "as_json", is_flag=True, help="Print the findings as JSON.")
@click.option("--sarif", "as_sarif", is_flag=True, help="Print the findings as SARIF 2.1.0.")
@click.pass_context
def audit(context: click.Context, /, **flags: Any) -> int:
    """Find known vulnerabilities of every locked package, the images they are in, and the smallest upgrade out.

    Exit code 1 where one counts that [audit] of versions.toml does not ignore.
    """
    from lockgen.audit.command import AuditOptions, run

    return _talking(context, lambda root, talk: run(root, AuditOptions(**flags), talk))


@cli.command()
@click.option("--dry-run", is_flag=True, help="Show everything, the texts too; change nothing anywhere.")
@click.option("--no-forge", is_flag=True, help="Make the branches only.")
@click.option("--remote", default="origin", show_default=True, metavar="NAME", help="Where the branches are pushed.")
@click.option(
    "--database",
    type=click.Path(exists=True, path_type=Path),
    help="A dump of OSV to read instead of asking it.",
)
@_osv
@click.option("--no-audit", is_flag=True, help="Ask nobody about vulnerabilities.")
@click.option("--live", is_flag=True, help="Ask the indexes themselves instead of their records.")
@click.option("--seconds", type=click.FloatRange(1), default=60, show_default=True, help="The most for one question.")
@click.option("--jobs", type=click.IntRange(1), metavar="N", help="Questions at once (default: one a core).")
@click.option("--no-cache", is_flag=True, help="Ask everything anew.")
@click.option("--json", "as_json", is_flag=True, help="Print what came of each group as JSON.")
@click.pass_context
def update(context: click.Context, /, **flags: Any) -> int:
    """Open or refresh pull requests for what [update] says is due; each resolves and passes `check` first.

    The token comes from the environment: GITHUB_TOKEN or GH_TOKEN, GITLAB_TOKEN or CI_JOB_TOKEN. Run it again after any
    failure: it goes on where it ended.
    """
    from lockgen.update.command import UpdateScanOptions, run

    return _talking(context, lambda root, talk: run(root, UpdateScanOptions(**flags), talk))


@cli.command()
@click.option("--offline", is_flag=True, help="Use the caches only.")
@click.option("--json", "as_json", is_flag=True, help="Print the findings as JSON.")
@click.option("--sarif", "as_sarif", is_flag=True, help="Print the findings as SARIF 2.1.0.")
@click.pass_context
def lint(context: click.Context, /, **flags: Any) -> int:
    """Find packages that no code of their image imports, and imports that nobody asked for.

    The code is the stages' programs and the folders that images copy. Which package holds a module its wheel says.
    """
    from lockgen.lint.command import LintOptions, run

    return _talking(context, lambda root, talk: run(root, LintOptions(**flags), talk))


@cli.command()
@click.argument("images", nargs=-1)
@click.option(
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="FOLDER",
    help="Write a file for each image there; without it one image goes to stdout.",
)
@click.option("--format", "style", type=click.Choice(["json", "xml"]), default="json", show_default=True)
@click.pass_context
def sbom(context: click.Context, /, images: tuple[str, ...], **flags: Any) -> int:
    """Write what images hold as CycloneDX 1.6, from the lock: the same bytes each time, without a network.

    IMAGES are names, or IMAGE:VARIANT. The timestamp is $SOURCE_DATE_EPOCH, else the family's cut-off.
    """
    from lockgen.sbom.command import SbomOptions, run

    return run(context.obj[0], images, SbomOptions(**flags))


@cli.command()
def schema() -> int:
    """Print the JSON schema of versions.toml."""
    from lockgen.manifest.schema_command import run

    return run()


@cli.group()
def index() -> None:
    """Record an index, or serve a record."""


@index.command("record")
@click.argument("name")
@click.option("--package", "packages", multiple=True, metavar="NAME", help="Refresh this package only; repeatable.")
@click.pass_context
def index_record(context: click.Context, name: str, packages: tuple[str, ...]) -> int:
    """Make or refresh the record of index NAME from the live index."""
    from lockgen.index.record_command import record

    return _talking(context, lambda root, talk: record(root, name, packages, talk))


@index.command("measure")
@click.argument("name")
@click.argument("wheels", nargs=-1, required=True, type=click.Path(dir_okay=False, path_type=Path))
@click.pass_context
def index_measure(context: click.Context, name: str, wheels: tuple[Path, ...]) -> int:
    """Write the sizes of recorded wheels into the record of index NAME, from copies that are here.

    WHEELS are files whose sha256 the record holds; no other bytes count.
    """
    from lockgen.index.measure_command import run

    return _talking(context, lambda root, talk: run(root, name, wheels, talk))


@index.command("serve")
@click.argument("names", nargs=-1)
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="The port (default: any free one).")
@click.pass_context
def index_serve(context: click.Context, names: tuple[str, ...], port: int) -> int:
    """Serve the records of the indexes NAMES (default: all) on loopback until Ctrl-C."""
    from lockgen.index.record_command import serve

    return _talking(context, lambda root, talk: serve(root, names, port, talk))


def main() -> None:
    """The `lockgen` command: runs it and exits with its code."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        # What was ignored at the start stays ignored: nohup ignores SIGHUP, and Python keeps an ignored SIGINT so, as
        # a shell starts background jobs.
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _stop)
    sys.exit(guarded(sys.argv[1:]))


def _stop(number: int, frame: object) -> NoReturn:
    """As Ctrl-C: what was started is ended and what is temporary removed on the way out."""
    click.echo("stopped: every file is as it was, or as the next command completes it", err=True)
    sys.exit(128 + number)


def guarded(arguments: list[str]) -> int:
    """Runs one command line; returns its exit code, with every failure told on stderr."""
    try:
        if "_LOCKGEN_COMPLETE" in os.environ:  # a shell asks for completions
            cli.main(arguments, prog_name="lockgen")
        # Not main(): it would answer a closed pipe with exit code 1.
        with cli.make_context("lockgen", arguments) as context:
            return int(cli.invoke(context) or 0)
    except LockgenError as error:
        from lockgen.io.console import show_error

        show_error(error)
        return error.exit_code
    except click.exceptions.Exit as stop:
        return stop.exit_code
    except click.ClickException as error:
        error.show()
        return Exit.BAD_INPUT
    except (KeyboardInterrupt, click.Abort):
        click.echo("interrupted: every file is as it was, or as the next command completes it", err=True)
        return Exit.INTERRUPTED
    except BrokenPipeError:
        # The reader of stdout has gone (`lockgen diff | head`): no news for anybody.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return Exit.DONE
    except Exception as error:
        return _bug(error)


def _bug(error: Exception) -> int:
    import traceback

    from lockgen.io.process import hide_credentials

    click.echo(hide_credentials("".join(traceback.format_exception(error))), err=True)
    click.echo(f"error: this is a bug of lockgen {__version__}: please report it with the lines above", err=True)
    return Exit.BUG
