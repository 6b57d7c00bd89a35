"""Mutate modules of lockgen, and run the nearest tests on each mutant: `nox -s mutation -- [MODULE...]`.

`[tool.lockgen-mutation]` in pyproject.toml has the modules and their nearest tests. A mutant is killed if a test fails,
or if the tests take longer than the time limit. Everything runs in a copy of the files that git tracks.
"""

from __future__ import annotations

import argparse
import ast
import itertools
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cosmic_ray.plugins
from cosmic_ray.ast import ast_nodes, get_ast
from cosmic_ray.mutating import mutate_and_test
from cosmic_ray.work_item import MutationSpec, TestOutcome
from mutation_operators import OPERATORS

ROOT = Path(__file__).parent.parent
PROVIDER = "lockgen"
# A type error in place of a sum says little about tests: one other operator for each.
_BINARY = (
    "core/ReplaceBinaryOperator_(?!Add_Sub|Sub_Add|Mul_Div|Div_Mul|BitOr_BitAnd|BitAnd_BitOr|FloorDiv_Mul|Mod_Add)"
)
_SKIPPED = re.compile(f"{_BINARY}|core/Variable.*")


@dataclass(frozen=True)
class Mutation:
    operator: str
    occurrence: int
    start: tuple[int, int]
    end: tuple[int, int]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("modules", nargs="*", help="paths of modules; all of the table if there are none")
    parser.add_argument("--every", type=int, default=1, metavar="N", help="run only every Nth mutant")
    parser.add_argument("--operators", default="", metavar="REGEX", help="run only mutants of these operators")
    parser.add_argument("--list", action="store_true", help="only count the mutants")
    options = parser.parse_args()
    # As Ctrl-C: the total is printed, and the folder removed.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    table = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["lockgen-mutation"]
    cosmic_ray.plugins.OPERATOR_PROVIDERS[PROVIDER] = OPERATORS
    with tempfile.TemporaryDirectory(prefix="mutation-") as folder:
        copy(Path(folder))
        os.chdir(folder)
        # Before the folder of an editable installation.
        os.environ["PYTHONPATH"] = folder
        # Most of the time of a mutant is the start of pytest: without plugins, and with bytecode of the first run.
        os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
        os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
        for module in options.modules or table:
            if options.list:
                print(module, len(list(mutations(module, options.operators))))
            else:
                mutants = itertools.islice(mutations(module, options.operators), 0, None, options.every)
                report(module, table[module], mutants)
    return 0


def copy(folder: Path) -> None:
    """Copy the files that git tracks."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in listed.rstrip("\0").split("\0"):
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / name).exists():
            shutil.copy2(ROOT / name, target, follow_symlinks=False)


def report(module: str, tests: list[str], mutants: Iterable[Mutation]) -> None:
    """Run ``mutants`` of ``module``, and print those that survive."""
    options = ["-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", "--tb=no"]
    command = shlex.join([sys.executable, *options, *tests])
    began = time.monotonic()
    done = subprocess.run(shlex.split(command), capture_output=True, text=True)
    if done.returncode != 0:
        raise SystemExit(f"{module}: the tests fail without a mutation\n{done.stdout}")
    limit = 10 + 3 * (time.monotonic() - began)
    outcomes: list[TestOutcome] = []
    try:
        for mutation in mutants:
            outcome = run_one(module, mutation, command, limit)
            outcomes.append(outcome)
    finally:
        # A run that is stopped has a total too.
        print(f"{total(module, outcomes)} in {(time.monotonic() - began) / 60:.1f} min", flush=True)


def run_one(module: str, mutation: Mutation, command: str, limit: float) -> TestOutcome:
    """Run the tests with ``mutation``, and print it unless it is killed."""
    operator, line = mutation.operator, mutation.start[0]
    spec = MutationSpec(module, operator, mutation.occurrence, mutation.start, mutation.end)
    result = mutate_and_test([spec], command, limit)
    if result.test_outcome is TestOutcome.SURVIVED:
        print(f"{module}:{line}: survived {operator}\n{changed_lines(result.diff)}", flush=True)
    elif result.test_outcome is not TestOutcome.KILLED:
        print(f"{module}:{line}: not run {operator}\n{result.output}", flush=True)
    return result.test_outcome


def total(module: str, outcomes: list[TestOutcome]) -> str:
    """How many mutations were killed, of those that ran."""
    killed = outcomes.count(TestOutcome.KILLED)
    ran = killed + outcomes.count(TestOutcome.SURVIVED)
    return f"{module}: {killed} of {ran} killed ({killed / max(ran, 1):.1%})"


def changed_lines(diff: str) -> str:
    lines = [line for line in diff.splitlines() if line.startswith(("+", "-")) and not line.startswith(("+++", "---"))]
    return "\n".join(f"    {line}" for line in lines)


def mutations(module: str, pattern: str) -> Iterator[Mutation]:
    """All mutations of ``module``, except where mypy looks instead of a test, and of the caches of functions."""
    source = Path(module).read_text()
    skipped = list(without_tests(ast.parse(source)))
    tree = get_ast(source)
    for operator in operators(pattern):
        occurrence = 0
        found = cosmic_ray.plugins.get_operator(operator)()
        for node in ast_nodes(tree):
            for start, end in found.mutation_positions(node):
                if not any(first <= start and end <= last for first, last in skipped):
                    yield Mutation(operator, occurrence, start, end)
                occurrence += 1


def operators(pattern: str) -> Iterator[str]:
    for name in sorted(cosmic_ray.plugins.operator_names()):
        if re.search(pattern, name) and not _SKIPPED.match(name):
            yield name


def without_tests(tree: ast.AST) -> Iterator[tuple[tuple[int, int], tuple[int, int]]]:
    """The first and the last position of each annotation, of the arguments of ``@dataclass(...)``, and of caches."""
    for node in ast.walk(tree):
        found: list[Any] = [getattr(node, "annotation", None), getattr(node, "returns", None)]
        if isinstance(node, ast.ClassDef):
            found += [item for item in node.decorator_list if isinstance(item, ast.Call)]
        if isinstance(node, ast.FunctionDef):
            found += [item for item in node.decorator_list if re.match(r"(lru_)?cache\b", ast.unparse(item))]
        for part in found:
            if part is not None:
                # To Cosmic Ray, a decorator begins with its "@" and ends after its line.
                is_decorator = isinstance(node, ast.FunctionDef) and part is not node.returns
                end = (part.end_lineno + 1, 0) if is_decorator else (part.end_lineno, part.end_col_offset)
                yield (part.lineno, part.col_offset - is_decorator), end


if __name__ == "__main__":
    raise SystemExit(main())
