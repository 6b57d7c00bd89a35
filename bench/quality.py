"""Figures about the source code, as a mirror and not a gate: `nox -s quality`.

Density is the number of AST nodes per line of a function, docstring excluded. Lines packed with nested expressions have
many nodes. pip-audit, build and packaging have 5 to 6 on average.
"""

from __future__ import annotations

import ast
import subprocess
import sys
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "lockgen"
DENSE = 14.0
"""Above this a function of six lines or more counts as dense."""
LONGEST_CLASS = 250
"""In lines."""


@dataclass(frozen=True)
class Function:
    place: str
    nodes: int
    lines: int

    @property
    def density(self) -> float:
        return self.nodes / self.lines


def functions(path: Path, tree: ast.Module) -> Iterator[Function]:
    """The functions and methods of one module."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        body = node.body[1:] if ast.get_docstring(node) is not None else node.body
        if not body:
            continue
        first, last = body[0], body[-1]
        # The line of `def` counts, unless the whole function is on it.
        lines = (last.end_lineno or last.lineno) - first.lineno + 1
        if first.lineno > node.lineno:
            lines += 1
        nodes = sum(1 for part in body for _ in ast.walk(part))
        yield Function(f"{path.relative_to(ROOT)}:{node.lineno} {node.name}", nodes, lines)


def comment_lines(path: Path) -> int:
    """Lines that are nothing but a comment."""
    with path.open("rb") as file:
        tokens = tokenize.tokenize(file.readline)
        return sum(token.type == tokenize.COMMENT and token.line.strip().startswith("#") for token in tokens)


def code_lines(path: Path) -> int:
    lines = (line.strip() for line in path.read_text().splitlines())
    return sum(bool(line) and not line.startswith("#") for line in lines)


def long_classes(path: Path, tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef):
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            if lines > LONGEST_CLASS:
                yield f"{path.relative_to(ROOT)}:{node.lineno} {node.name} ({lines} lines)"


def complex_functions() -> list[str]:
    """What radon rates D or worse."""
    command = [sys.executable, "-m", "radon", "cc", "--min", "D", "--show-complexity", str(PACKAGE)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return [line.strip() for line in done.stdout.splitlines() if line.startswith(" ")]


def report(title: str, rows: list[str]) -> None:
    print(f"{title}: {len(rows)}")
    for row in rows:
        print(f"  {row}")


def main() -> None:
    paths = sorted(PACKAGE.rglob("*.py"))
    trees = {path: ast.parse(path.read_text()) for path in paths}
    every = [function for path, tree in trees.items() for function in functions(path, tree)]
    nodes, lines = sum(one.nodes for one in every), sum(one.lines for one in every)
    comments, code = sum(map(comment_lines, paths)), sum(map(code_lines, paths))
    dense = sorted((one for one in every if one.lines >= 6 and one.density > DENSE), key=lambda one: -one.density)
    print(f"{len(paths)} modules, {code} lines of code, {len(every)} functions")
    print(f"density: {nodes / lines:.1f} AST nodes per function line")
    print(f"comments: {100 * comments / code:.1f} lines per 100 lines of code")
    report(f"functions denser than {DENSE:.0f}", [f"{one.density:.1f} {one.place}" for one in dense])
    report("functions that radon rates D or worse", complex_functions())
    report(f"classes over {LONGEST_CLASS} lines", [row for p, tree in trees.items() for row in long_classes(p, tree)])


if __name__ == "__main__":
    main()
