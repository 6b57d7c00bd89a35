"""Mutations that Cosmic Ray lacks: of patterns, statements, results, tuples, calls and texts.

Each class is an operator of Cosmic Ray: `mutation_positions` yields the position of a node once for each mutation, and
`mutate` makes one of them.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from typing import Any

from parso.python.tree import Name

Position = tuple[tuple[int, int], tuple[int, int]]


class _Texts:
    """An operator that replaces the code of a node by one of several texts."""

    def texts(self, node: Any) -> list[str]:
        raise NotImplementedError

    def mutation_positions(self, node: Any) -> Iterator[Position]:
        for _ in self.texts(node):
            yield node.start_pos, node.end_pos

    def mutate(self, node: Any, index: int) -> Any:
        return Name(self.texts(node)[index], node.start_pos, prefix=node.get_first_leaf().prefix)


class RemoveStatement(_Texts):
    """A call whose result is not used."""

    def texts(self, node: Any) -> list[str]:
        is_call = node.type == "atom_expr" and node.children[-1].type == "trailer"
        is_statement = node.parent is not None and node.parent.type == "simple_stmt"
        return ["pass"] if is_call and is_statement else []


class ReturnNone(_Texts):
    """`return VALUE`"""

    def texts(self, node: Any) -> list[str]:
        return ["return None"] if node.type == "return_stmt" and node.children[-1].get_code().strip() != "None" else []


class RemoveElement(_Texts):
    """An element of a tuple, list or set, or an argument of a call: keys and sort keys with a part less."""

    def texts(self, node: Any) -> list[str]:
        if node.type not in ("testlist_comp", "testlist", "testlist_star_expr", "arglist"):
            return []
        elements = [child for child in node.children if child.type != "operator" or child.value != ","]
        if any(child.type == "sync_comp_for" for child in elements):
            return []
        codes = [element.get_code().strip() for element in elements]
        # Without the last comma, one element in brackets is not a tuple.
        end = "," if len(codes) == 2 and node.type != "arglist" else ""
        return [", ".join(codes[:number] + codes[number + 1 :]) + end for number in range(len(codes))]


class ReplaceText(_Texts):
    """A string that is not a docstring."""

    def texts(self, node: Any) -> list[str]:
        if node.type != "string" or node.parent.type == "simple_stmt" or is_pattern(node):
            return []
        value = ast.literal_eval(node.value)
        changed = "other" if isinstance(value, str) else b"other"
        return [repr(changed)]


def is_pattern(node: Any) -> bool:
    """Whether the string ``node`` is a regular expression: lockgen writes them, and no others, as raw strings."""
    return bool(node.type == "string" and re.match(r"[rR][bB]?\"(?!\"\")", node.value))


class ReplacePattern(_Texts):
    """A regular expression: anchors, classes, quantifiers and alternatives."""

    def texts(self, node: Any) -> list[str]:
        if not is_pattern(node):
            return []
        prefix = node.value[: node.value.index('"') + 1]
        return [f'{prefix}{pattern}"' for pattern in mutants(node.value[len(prefix) : -1])]


_TOKEN = re.compile(r"\[\^?\]?(?:\\.|[^\]\\])*\]|\\.|\(\?(?:P<\w+>|[:=!]|<[=!])|\{\d+(?:,\d*)?\}|.", re.DOTALL)


def mutants(pattern: str) -> list[str]:
    """Patterns that differ from ``pattern`` in one part, and can be compiled."""
    tokens = _TOKEN.findall(pattern)
    found = []
    for number, token in enumerate(tokens):
        before = "".join(tokens[:number])
        after = "".join(tokens[number + 1 :])
        found += [f"{before}{other}{after}" for other in _others(token)]
    return [other for other in dict.fromkeys(found) if other != pattern and _compiles(other)]


def _others(token: str) -> list[str]:
    if token.startswith("["):
        return _other_classes(token)
    if re.fullmatch(r"\{\d+(,\d*)?\}", token):
        return ["", "+"]
    return {"^": [""], "$": [""], "*": ["", "+", "?"], "+": ["", "*"], "?": ["", "*"], "|": [""], r"\.": ["."]}.get(
        token, []
    )


_CLASS_PART = re.compile(r"\\.|.-[^\]]|.", re.DOTALL)


def _other_classes(token: str) -> list[str]:
    """The class with a character more, that a shell or a tool interprets, or with a part less."""
    start = "[^" if token.startswith("[^") else "["
    parts = _CLASS_PART.findall(token[len(start) : -1])
    more = ["$", ";", "-", ".", "/", " ", r"\n", '\\"']
    added = [f"{start}{character}{''.join(parts)}]" for character in more]
    less = [f"{start}{''.join(parts[:number] + parts[number + 1 :])}]" for number in range(len(parts))]
    return [other for other in [*added, *less] if _differs(token, other)]


def _differs(first: str, second: str) -> bool:
    if not _compiles(second):
        return False
    characters = [chr(number) for number in range(128)]
    return any(bool(re.match(first, each)) != bool(re.match(second, each)) for each in characters)


def _compiles(pattern: str) -> bool:
    try:
        re.compile(pattern)
    except (re.error, FutureWarning):
        return False
    return True


OPERATORS: dict[str, type[_Texts]] = {
    operator.__name__: operator
    for operator in (RemoveStatement, ReturnNone, RemoveElement, ReplaceText, ReplacePattern)
}
