"""Python code to what it imports. The code is parsed, never run."""

from __future__ import annotations

import ast
import json
import re
import tokenize
import warnings
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from io import BytesIO

from lockgen.lint.model import CodeFile, Import, ImportKind

_CAUGHT = {"ImportError", "ModuleNotFoundError", "Exception", "BaseException"}
_ABOUT_PLATFORM = {"platform", "version_info", "implementation"}

_RESOURCES = (
    *("files", "path", "contents", "is_resource"),
    *("read_text", "read_binary", "open_text", "open_binary"),
)
# What imports by name: the keywords that the name may be given by, and how. Those without a dot are known by their
# last name alone; the others are words that mean something else elsewhere.
_CALLS: dict[str, tuple[set[str], ImportKind]] = {
    "import_module": ({"name"}, "by-name"),
    "__import__": ({"name"}, "by-name"),
    "find_spec": ({"name"}, "optional"),  # a question, to which no is an answer
    "importorskip": ({"modname"}, "optional"),
    "runpy.run_module": ({"mod_name"}, "by-name"),
    "pkgutil.resolve_name": ({"name"}, "by-name"),
    **{f"importlib.resources.{name}": ({"package", "anchor"}, "by-name") for name in _RESOURCES},
    **{
        f"importlib.metadata.{name}": ({"distribution_name"}, "distribution")
        for name in ("version", "metadata", "distribution", "requires", "files")
    },
}


def read_code(path: str, data: bytes) -> CodeFile:
    """What the file at ``path`` imports, a notebook by its name; code that is not Python is reported as such."""
    try:
        found = _notebook(data) if path.endswith(".ipynb") else _module(data)
    except _NoPython as error:
        return CodeFile(path, fault=error.why, fault_line=error.line)
    return CodeFile(path, tuple(sorted(found, key=lambda one: (one.line, one.name))))


def runs_python(first: bytes) -> bool:
    """Whether a file that begins with the line ``first`` is a script of Python."""
    return re.match(rb"#!(.*[/\s])?python[\d.]*(\s|$)", first) is not None


class _NoPython(Exception):
    def __init__(self, why: str, line: int | None = None) -> None:
        super().__init__(why)
        self.why, self.line = why, line


def _module(data: bytes) -> list[Import]:
    found = _imports(data, {})
    # The parser lets bytes pass in a comment that Python refuses in a script.
    try:
        encoding, _ = tokenize.detect_encoding(BytesIO(data).readline)
    except SyntaxError:  # such bytes in the first two lines
        encoding = "utf-8"
    try:
        data.decode(encoding)
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise _NoPython(f"byte 0x{data[error.start]:02x} is no utf-8, and no encoding is declared", line) from None
    return found


def _imports(code: bytes | str, names: dict[str, str]) -> list[Import]:
    """What ``code`` imports. ``names`` are what its names stand for, as far as is known; it learns those of ``code``.

    Raises:
        _NoPython: it cannot be parsed.
    """
    try:
        with warnings.catch_warnings():  # about a "\\d" that should be another: not said here, and no fault
            warnings.simplefilter("ignore")
            tree = ast.parse(code)
        names |= _bound(tree)
        reader = _Reader(names)
        reader.visit(tree)
    except SyntaxError as error:  # of no line it says 0
        raise _NoPython(str(error.msg), error.lineno or None) from None
    except (RecursionError, MemoryError):  # a thousand brackets
        raise _NoPython("too deeply nested") from None
    except ValueError as error:  # a null byte, another encoding
        raise _NoPython(str(error).partition("\n")[0]) from None
    return reader.found


def _bound(tree: ast.AST) -> dict[str, str]:
    """What the names that imports bind stand for: "importlib.import_module" for `im`."""
    found: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.asname: alias.name for alias in node.names if alias.asname}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
    return found


class _Reader(ast.NodeVisitor):
    """Walks a module, and knows where it is: in a function, in a `try`, under TYPE_CHECKING."""

    def __init__(self, names: dict[str, str]) -> None:
        self.found: list[Import] = []
        self._names = names
        self._late = self._optional = self._typing = False

    def _add(self, name: str, line: int, how: ImportKind = "plain", module: str = "") -> None:
        if how == "distribution":
            pass
        elif self._typing:
            how = "typing"
        elif self._optional:
            how = "optional"
        elif self._late and how == "plain":
            how = "late"
        self.found.append(Import(name, line, how, module or name))

    def visit_Import(self, node: ast.Import) -> None:
        for alias in node.names:
            self._add(alias.name, node.lineno)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        if node.level or node.module is None:  # of the same package
            return
        for alias in node.names:
            name = node.module if alias.name == "*" else f"{node.module}.{alias.name}"
            self._add(name, node.lineno, module=node.module)

    def visit_Call(self, node: ast.Call) -> None:
        called = self._dotted(node.func)
        known = _CALLS.get(called) or _CALLS.get(called.rpartition(".")[2])
        if known is not None:
            keywords, how = known
            said = node.args[:1] or [one.value for one in node.keywords if one.arg in keywords]
            name = _text(said[0]).partition(":")[0] if said else ""  # "module:what is in it"
            if _is_name(name) or (name and how == "distribution"):
                self._add(name, node.lineno, how)
        self.generic_visit(node)

    def visit_List(self, node: ast.List) -> None:
        self._command(node.elts)
        self.generic_visit(node)

    def visit_Tuple(self, node: ast.Tuple) -> None:
        self._command(node.elts)
        self.generic_visit(node)

    def _command(self, parts: Sequence[ast.expr]) -> None:
        """`[sys.executable, "-m", "module"]`. A "python3" may be another one than this, that holds other modules."""
        own = bool(parts) and self._dotted(parts[0]) == "sys.executable"
        if not own and not (parts and re.fullmatch(r"(.*/)?python[\d.]*", _text(parts[0]))):
            return
        name = _run_module(map(_text, parts[1:]))
        if _is_name(name):  # pip is there with every Python, and of no package
            self._add(name, parts[0].lineno, "by-name" if own and name != "pip" else "optional")

    def _dotted(self, node: ast.expr) -> str:
        """`a.b.c` in full, whatever name it was imported by; "" or what begins with a dot of anything else."""
        if isinstance(node, ast.Attribute):
            return f"{self._dotted(node.value)}.{node.attr}"
        if not isinstance(node, ast.Name):
            return ""
        full = self._names.get(node.id, node.id)
        for backport in ("importlib_metadata", "importlib_resources"):
            if full.partition(".")[0] == backport:
                return full.replace("_", ".", 1)
        return full

    # -- where it is -----------------------------------------------------------

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        self._function(node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> None:
        self._function(node)

    def visit_Lambda(self, node: ast.Lambda) -> None:
        self._inside([node.body], late=True)

    def _function(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        self._inside([*node.decorator_list, node.args])
        self._inside(node.body, late=True)

    def visit_Try(self, node: ast.Try) -> None:
        self._try(node)

    def visit_TryStar(self, node: ast.TryStar) -> None:
        self._try(node)

    def _try(self, node: ast.Try | ast.TryStar) -> None:
        # Code that catches it and then exits needs it: sys.exit("install torch").
        caught = any(_catches(handler.type) and not _gives_up(handler.body) for handler in node.handlers)
        self._inside(node.body, optional=caught)
        for handler in node.handlers:
            # What is imported instead; one of the two is enough.
            self._inside(handler.body, optional=_catches(handler.type))
        self._inside([*node.orelse, *node.finalbody])

    def visit_With(self, node: ast.With) -> None:
        calls = [item.context_expr for item in node.items if isinstance(item.context_expr, ast.Call)]
        suppressed = [c for c in calls if _last(c.func) == "suppress" and any(_catches(a) for a in c.args)]
        self._inside([item.context_expr for item in node.items])
        self._inside(node.body, optional=bool(suppressed))

    def visit_If(self, node: ast.If) -> None:
        named = {_last(part) for part in ast.walk(node.test) if isinstance(part, ast.Name | ast.Attribute)}
        self._inside([node.test])
        # What is for another platform or another Python is not needed on this one, as far as the code shows.
        elsewhere = bool(named & _ABOUT_PLATFORM) or _is_os_name(node.test)
        self._inside(node.body, typing=self._checking(node.test, True), optional=elsewhere)
        self._inside(node.orelse, typing=self._checking(node.test, False), optional=elsewhere)

    def _checking(self, test: ast.expr, outcome: bool) -> bool:
        """Whether only a type checker can have it that ``test`` is true, or false, as ``outcome`` says."""
        if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
            return self._checking(test.operand, not outcome)
        if isinstance(test, ast.BoolOp):
            every = (self._checking(part, outcome) for part in test.values)
            return any(every) if isinstance(test.op, ast.And) == outcome else all(every)
        return outcome and self._dotted(test).rpartition(".")[2] == "TYPE_CHECKING"

    def _inside(
        self, nodes: Iterable[ast.AST], *, late: bool = False, optional: bool = False, typing: bool = False
    ) -> None:
        kept = self._late, self._optional, self._typing
        self._late, self._optional, self._typing = kept[0] or late, kept[1] or optional, kept[2] or typing
        for node in nodes:
            self.visit(node)
        self._late, self._optional, self._typing = kept


def _last(node: ast.AST) -> str:
    """The last name of `a.b.c`; "" of anything else."""
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


def _text(node: ast.expr) -> str:
    """A string that is written out; "" of anything else."""
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


def _run_module(words: Iterator[str]) -> str:
    """The module that `python` runs with ``words``; "" if it runs a file, or if that is unclear."""
    for word in words:
        if word == "-m":
            return next(words, "")
        if not word.startswith("-"):
            return ""
        if word in {"-W", "-X"}:
            next(words, "")
    return ""


def _catches(kind: ast.expr | None) -> bool:
    if kind is None:
        return True
    if isinstance(kind, ast.Tuple):
        return any(_catches(part) for part in kind.elts)
    return _last(kind) in _CAUGHT


def _gives_up(body: list[ast.stmt]) -> bool:
    last = body[-1]
    if isinstance(last, ast.Expr) and isinstance(last.value, ast.Call):
        return _last(last.value.func) in {"exit", "_exit", "quit", "abort"}
    return isinstance(last, ast.Raise)


def _is_os_name(test: ast.expr) -> bool:
    return any(
        isinstance(part, ast.Attribute) and part.attr == "name" and _last(part.value) == "os" for part in ast.walk(test)
    )


def _is_name(text: str) -> bool:
    return all(part.isidentifier() for part in text.split("."))


# -- notebooks -----------------------------------------------------------------

_OF_PYTHON = {"%%time", "%%timeit", "%%capture", "%%prun"}
"""Cell magics after which a cell is still Python."""

_ONLY_THERE = re.compile(
    r"""\s*(?: [%!?]                        # %matplotlib inline, !ls, ?help
             | [\w.*]+\?\??\s*$             # help?
             | [\w.,\s*\[\]]+=\s*[%!] )     # files = !ls
    """,
    re.VERBOSE,
)


def _notebook(data: bytes) -> list[Import]:
    """What the cells of a notebook import, each at the line of the file where its cell begins."""
    found: list[Import] = []
    names: dict[str, str] = {}
    for source, line in _cells(data):
        try:
            found += [replace(one, line=line) for one in _cell(source, names)]
        except _NoPython as error:
            raise _NoPython(f"{error.why} (in the cell that begins here)", line) from None
    return found


def _cells(data: bytes) -> Iterator[tuple[str, int]]:
    """The code of each cell, and the line of its first in the file: 1 where it is not written as Jupyter does."""
    if not data.strip():
        return
    try:
        text = data.decode("utf-8-sig")
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise _NoPython("it is no notebook", getattr(error, "lineno", None)) from None
    if not isinstance(document, dict):
        raise _NoPython("it is no notebook")
    if _language(document) != "python":
        return
    after = 0
    sheets = [document, *_dicts(document.get("worksheets"))]  # format 3 has its cells in sheets
    for cell in (cell for sheet in sheets for cell in _dicts(sheet.get("cells"))):
        source = cell.get("source", cell.get("input"))
        lines = [line for line in (source if isinstance(source, list) else [source]) if isinstance(line, str)]
        if cell.get("cell_type") == "code" and lines:
            begin, after = _placed(text, lines[0], after)
            yield "".join(lines), begin


def _dicts(value: object) -> list[dict[str, object]]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def _language(document: dict[str, object]) -> str:
    """ "python" where it does not say."""
    metadata = document.get("metadata")
    kernel = metadata.get("kernelspec") if isinstance(metadata, dict) else None
    language = kernel.get("language") if isinstance(kernel, dict) else None
    return language.casefold() if isinstance(language, str) else "python"


def _placed(text: str, first: str, after: int) -> tuple[int, int]:
    """The line where a cell begins whose first line is ``first``, and the place behind that, to search on from."""
    for spelled in (json.dumps(first, ensure_ascii=False), json.dumps(first)):
        found = re.compile(rf'"(?:source|input)"\s*:\s*(?:\[\s*)?{re.escape(spelled)}').search(text, after)
        if found is not None:
            return text.count("\n", 0, found.end()) + 1, found.end()
    return 1, after


def _cell(source: str, names: dict[str, str]) -> list[Import]:
    """What a cell imports, without the lines that only a notebook understands.

    A cell that is Python as it stands is read so: a line of a longer expression may begin with % too.
    """
    words = source.split(maxsplit=1)
    if words and words[0].startswith("%%") and words[0] not in _OF_PYTHON:  # a shell's, or a page's
        return []
    for code in (source, _without(source, indented=False)):
        try:
            return _imports(code, names)
        except _NoPython:
            continue
    return _imports(_without(source, indented=True), names)


def _without(source: str, *, indented: bool) -> str:
    """``source`` with `pass` for each line that is no Python, whose next goes with it where it ends with a backslash.

    Only lines at the very left, unless ``indented``.
    """
    found = []
    goes_on = False
    for line in source.splitlines():
        margin = line[: len(line) - len(line.lstrip())]
        odd = goes_on or (_ONLY_THERE.match(line) is not None and (indented or not margin))
        found.append("" if goes_on else f"{margin}pass" if odd else line)
        goes_on = odd and line.endswith("\\")
    return "\n".join(found)
