"""Compares lockgen with the bare tools on the reference family: `nox -s bench` writes bench/RESULTS.md."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from importlib.metadata import version
from pathlib import Path

from conflicts import rows as conflict_rows
from family import ROOT, Family
from growth import rows as growth_rows
from many import rows as many_rows
from matrix import rows as matrix_rows
from measuring import Command, Pairs, machine, pairs
from uv import find_uv_bin

from lockgen.index.record_reader import parse_record
from lockgen.index.server import RecordedIndexes, serving

UV = str(find_uv_bin())
LOCKGEN = [sys.executable, "-m", "lockgen", "--quiet"]
RESULTS = ROOT / "bench/RESULTS.md"
Row = tuple[str, str, str]


def said(measured: Pairs, name: str) -> str:
    return f"{measured.first:.2f} s, {name} {measured.second:.2f} s ({measured.count} pairs)"


class Bench:
    def __init__(self, family: Family, scratch: Path) -> None:
        self.family, self.scratch = family, scratch
        family.write_uv_settings(scratch)
        (scratch / "all.in").write_text("\n".join(family.joint()) + "\n")
        (scratch / "pins.txt").write_text("\n".join(family.pins()) + "\n")

    # -- the commands ----------------------------------------------------------

    def resolve(self, *more: str) -> Command:
        return Command([*LOCKGEN, "resolve", *more], self.family.folder, before=self.family.forget)

    def bare(self, *more: str) -> Command:
        def forget() -> None:
            (self.scratch / "all.txt").unlink(missing_ok=True)

        command = self.family.compile(UV, "all.in", "-c", "pins.txt", "--generate-hashes", "-o", "all.txt", *more)
        return Command(command, self.scratch, before=forget)

    def each(self) -> list[Command]:
        """The joint compile as constraints, then one compile an image."""
        commands = [self.bare()]
        for image, variant in self.family.tags():
            source, target = f"{image}.{variant}.in", f"{image}.{variant}.txt"
            (self.scratch / source).write_text("\n".join(self.family.asks(image)) + "\n")
            more = ["-c", "pins.txt", "-c", "all.txt", "--generate-hashes", "-o", target]

            def forget(target: str = target) -> None:
                (self.scratch / target).unlink(missing_ok=True)

            commands.append(Command(self.family.compile(UV, source, *more), self.scratch, before=forget))
        return commands

    # -- the rows --------------------------------------------------------------

    def parts(self) -> dict[str, Callable[[], Iterator[Row]]]:
        """What can be measured by itself, by name."""
        return {
            "resolve": self.resolving,
            "check": self.checking,
            "others": self.others,
            "conflicts": lambda: conflict_rows(self.scratch / "conflicts"),
            "matrix": lambda: matrix_rows(self.family, self.scratch / "matrix"),
            "many": lambda: many_rows(self.scratch / "many"),
            "synthetic": lambda: growth_rows(self.family, self.scratch / "growth"),
        }

    def resolving(self) -> Iterator[Row]:
        self.resolve().run()
        self.bare().run()
        cold = pairs([self.resolve()], [self.bare()], 9)
        yield "resolve, no lock, warm cache, network", f"{cold.ratio:.2f} x bare uv", said(cold, "bare uv")
        offline = pairs([self.resolve("--offline")], [self.bare("--offline")], 9)
        yield "the same, offline", f"{offline.difference:.2f} s over bare uv", said(offline, "bare uv")
        yield self.unchanged("resolve, nothing changed")
        yield self.unchanged("the same, nothing changed, offline", "--offline")
        many = pairs(self.each(), [self.resolve()], 3)
        yield "joint compile and one for each image", f"{many.ratio:.1f} x lockgen", said(many, "lockgen")

    def unchanged(self, what: str, *more: str) -> Row:
        """Against an idle Python, because the speed of the machine varies."""
        command = Command([*LOCKGEN, "resolve", *more], self.family.folder)
        bare = Command([sys.executable, "-c", "pass"], self.family.folder)
        command.run()
        found = pairs([command], [bare], 15)
        text = f"{found.first * 1000:.0f} ms, python {found.second * 1000:.0f} ms ({found.count} pairs)"
        return what, f"{found.ratio:.1f} x `python -c pass`", text

    def checking(self) -> Iterator[Row]:
        yield self.check()

    def others(self) -> Iterator[Row]:
        yield from self.multi()
        yield from self.pip_compile()

    def check(self) -> Row:
        self.resolve().run()
        check = Command([str(Path(sys.executable).with_name("lockgen")), "check"], self.family.folder)
        bare = Command([sys.executable, "-c", "pass"], self.family.folder)
        check.run()
        found = pairs([check], [bare], 31)
        text = f"{found.first * 1000:.0f} ms, python {found.second * 1000:.0f} ms ({found.count} pairs)"
        return "check, nothing changed", f"{found.ratio:.1f} x `python -c pass`", text

    def multi(self) -> Iterator[Row]:
        """pip-compile-multi on the same family as layered files: a base's file is included by what stands on it."""
        folder = self.scratch / "requirements"
        folder.mkdir()
        for image, variant in self.family.tags():
            if image == "base" and variant == "cuda":
                continue  # its file is base's
            chain = self.family.chain(image)
            below = [f"-r {chain[-2]}.in"] if len(chain) > 1 else self.family.file["common"]["packages"]
            (folder / f"{image}.in").write_text("\n".join([*below, *self.family.own(image)]) + "\n")
        pins = "\n".join(self.family.pins())
        (folder / "constraints.txt").write_text(pins + "\n")
        environment = {
            "UV_CONFIG_FILE": str(self.scratch / "uv.toml"),
            "UV_CONSTRAINT": str(folder / "constraints.txt"),
            "UV_INDEX_STRATEGY": "unsafe-best-match",
            "UV_PREVIEW_FEATURES": "index-exclude-newer",
        }
        command = [str(Path(sys.executable).with_name("pip-compile-multi")), "--uv", "--autoresolve"]
        command += [word for image, _ in self.family.tags() for word in ("-g", image)]

        def forget() -> None:
            for path in folder.glob("*.txt"):
                if path.name != "constraints.txt":
                    path.unlink()

        def free() -> None:
            """Without the pins: what a family without versions.toml has."""
            forget()
            (folder / "constraints.txt").write_text("torch==2.5.1+cu121\ntorchaudio==2.5.1+cu121\n")

        multi = Command(command, self.scratch, environment, before=forget)
        try:
            found = pairs([multi], [self.resolve()], 3)
            value = f"{found.ratio:.1f} x lockgen; {drifted(folder)}"
            yield "pip-compile-multi --uv --autoresolve, with the pins", value, said(found, "lockgen")
            Command(command, self.scratch, environment, before=free).run()
            yield "the same with only torch pinned", drifted(folder), "-"
        except AssertionError as error:
            yield "pip-compile-multi --uv --autoresolve", "fails", str(error).splitlines()[-1][:160]

    def pip_compile(self) -> Iterator[Row]:
        pip = [str(Path(sys.executable).with_name("pip-compile")), "-q", "all.in", "-c", "pins.txt", "-o", "pip.txt"]
        pip += ["--extra-index-url", self.family.index, "--no-emit-index-url", "--strip-extras"]

        def forget() -> None:
            (self.scratch / "pip.txt").unlink(missing_ok=True)

        bare = Command(pip, self.scratch, before=forget)
        found = pairs([self.resolve("--resolver", "pip-compile")], [bare], 1)
        value = f"{found.ratio:.2f} x bare pip-compile"
        yield "resolve --resolver pip-compile, with hashes", value, said(found, "bare, without hashes,")


def drifted(folder: Path) -> str:
    """How many packages pip-compile-multi's files hold in more than one version, and some of them."""
    versions: dict[str, set[str]] = {}
    for path in folder.glob("*.txt"):
        if path.name != "constraints.txt":
            for line in path.read_text().splitlines():
                name, found, rest = line.partition("==")
                if found and not line.startswith((" ", "#")):
                    versions.setdefault(name.partition("[")[0], set()).add(rest.split()[0])
    apart = {name: sorted(found) for name, found in sorted(versions.items()) if len(found) > 1}
    shown = ", ".join(f"{name} {' and '.join(found)}" for name, found in list(apart.items())[:3])
    return f"{len(apart)} of {len(versions)} packages differ between its files" + (f" ({shown})" if shown else "")


def commit() -> str:
    done = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True)
    return done.stdout.strip()


def known() -> dict[str, tuple[str, ...]]:
    """The rows of RESULTS.md as it is, by what they measure."""
    lines = [line for line in RESULTS.read_text().splitlines() if line.startswith("| ")][1:] if RESULTS.exists() else []
    cells = [tuple(cell.strip() for cell in line.strip("|").split("|")) for line in lines]
    return {row[0]: row for row in cells}


def table(rows: Iterable[tuple[str, ...]]) -> str:
    tools = ", ".join(f"{name} {version(name)}" for name in ("uv", "pip-tools", "pip-compile-multi"))
    lines = [
        "# Measured",
        "",
        "Written by `nox -s bench`, or a part of it by `nox -s bench -- resolve`, `check`, `others`, `conflicts`,",
        "`many`, `matrix`, `synthetic`: medians of pairs, the two commands of a pair one after the other in one run;",
        "each row on top of its commit.",
        f"Machine: {machine()}; Python {sys.version.split()[0]}, {tools}.",
        "",
        "| what | result | medians | commit |",
        "|---|---|---|---|",
        *(f"| {' | '.join(row)} |" for row in rows),
    ]
    return "\n".join(lines) + "\n"


def main() -> None:
    record = parse_record(lambda path: (ROOT / path).read_bytes(), "locks/index/cu121", "cu121")
    with tempfile.TemporaryDirectory() as scratch, serving(RecordedIndexes({"cu121": record})) as (base, _):
        family = Family(Path(scratch, "family"), f"{base}/cu121/simple/")
        family.folder.mkdir()
        family.copy()
        (Path(scratch) / "bare").mkdir()
        parts = Bench(family, Path(scratch) / "bare").parts()
        rows = known() if sys.argv[1:] else {}
        for name in sys.argv[1:] or parts:
            for row in parts[name]():
                print(json.dumps(row), flush=True)
                rows[row[0]] = (*row, commit())
                RESULTS.write_text(table(rows.values()))


if __name__ == "__main__":
    main()
