"""Python code to what it imports. The code is parsed, never run."""

from __future__ import annotations

import ast
from collections.abc import Iterable

from lockgen.model.usage import CodeFile, How, Import

_CAUGHT = {"ImportError", "ModuleNotFoundError", "Exception", "BaseException"}
_ABOUT_PLATFORM = {"platform", "version_info", "implementation"}


def read_code(path: str, data: bytes) -> CodeFile:
    """What the file at ``path`` imports; code that is no Python is told as such."""
    try:
        tree = ast.parse(data, path)
    except SyntaxError as error:
        return CodeFile(path, fault=str(error.msg), fault_line=error.lineno)
    except (ValueError, RecursionError, MemoryError) as error:  # a null byte, another encoding, a thousand brackets
        return CodeFile(path, fault=str(error).partition("\n")[0] or "too deeply nested")
    reader = _Reader()
    try:
        reader.visit(tree)
    except RecursionError:
        return CodeFile(path, fault="too deeply nested")
    return CodeFile(path, tuple(sorted(reader.found, key=lambda one: (one.line, one.name))))


class _Reader(ast.NodeVisitor):
    """Walks a module, and knows where it is: in a function, in a `try`, under TYPE_CHECKING."""

    def __init__(self) -> None:
        self.found: list[Import] = []
        self._late = self._optional = self._typing = False

    def _add(self, name: str, line: int, *, by_name: bool = False, optional: bool = False) -> None:
        how: How = "plain"
        if self._typing:
            how = "typing"
        elif self._optional or optional:
            how = "optional"
        elif by_name:
            how = "by-name"
        elif self._late:
            how = "late"
        self.found.append(Import(name, line, how))

    def visit_Import(self, node: ast.Import) -> None:
        for alias in node.names:
            self._add(alias.name, node.lineno)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        if node.level or node.module is None:  # of its own package
            return
        for alias in node.names:
            self._add(node.module if alias.name == "*" else f"{node.module}.{alias.name}", node.lineno)

    def visit_Call(self, node: ast.Call) -> None:
        called = _last(node.func)
        first = node.args[0] if node.args else None
        if isinstance(first, ast.Constant) and isinstance(first.value, str) and _is_name(first.value):
            if called in {"import_module", "__import__"}:
                self._add(first.value, node.lineno, by_name=True)
            elif called == "find_spec":  # a question, to which no is an answer
                self._add(first.value, node.lineno, optional=True)
        self.generic_visit(node)

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
        # Who catches it and gives up all the same needs it: sys.exit("install torch").
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
        positive = isinstance(node.test, ast.Name | ast.Attribute)
        self._inside([node.test])
        # What is for another platform or another Python is not needed on this one, as far as anybody can tell.
        elsewhere = bool(named & _ABOUT_PLATFORM) or _is_os_name(node.test)
        self._inside(node.body, typing=positive and "TYPE_CHECKING" in named, optional=elsewhere)
        self._inside(node.orelse, optional=elsewhere)

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
