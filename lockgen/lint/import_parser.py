"""Python code to its imports, including those by name, in commands and in resource or metadata calls."""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from lockgen.lint.model import Dialect, Import, ImportKind

_IMPORT_ERRORS = {"ImportError", "ModuleNotFoundError", "Exception", "BaseException"}
_PLATFORM_NAMES = {"platform", "version_info", "implementation"}
_EXITS = {"exit", "_exit", "quit", "abort"}


class _ImportingCall(NamedTuple):
    """A function that imports the module which its first argument, or one of ``keywords``, names."""

    keywords: frozenset[str]
    kind: ImportKind


_BY_NAME = _ImportingCall(frozenset({"name"}), "by-name")
_RESOURCE = _ImportingCall(frozenset({"package", "anchor"}), "by-name")
_DISTRIBUTION = _ImportingCall(frozenset({"distribution_name"}), "distribution")

# Functions without a dot are recognised by their last name alone. The other names also mean something else elsewhere.
_CALLS: dict[str, _ImportingCall] = {
    "import_module": _BY_NAME,
    "__import__": _BY_NAME,
    # It returns None for a missing module, so the code is prepared for that.
    "find_spec": _ImportingCall(frozenset({"name"}), "optional"),
    "importorskip": _ImportingCall(frozenset({"modname"}), "optional"),
    "runpy.run_module": _ImportingCall(frozenset({"mod_name"}), "by-name"),
    "pkgutil.resolve_name": _BY_NAME,
    "importlib.resources.files": _RESOURCE,
    "importlib.resources.path": _RESOURCE,
    "importlib.resources.contents": _RESOURCE,
    "importlib.resources.is_resource": _RESOURCE,
    "importlib.resources.read_text": _RESOURCE,
    "importlib.resources.read_binary": _RESOURCE,
    "importlib.resources.open_text": _RESOURCE,
    "importlib.resources.open_binary": _RESOURCE,
    "importlib.metadata.version": _DISTRIBUTION,
    "importlib.metadata.metadata": _DISTRIBUTION,
    "importlib.metadata.distribution": _DISTRIBUTION,
    "importlib.metadata.requires": _DISTRIBUTION,
    "importlib.metadata.files": _DISTRIBUTION,
}


class NotPython(Exception):
    """Code that cannot be parsed. ``line`` is None if the parser does not report it."""

    def __init__(self, reason: str, line: int | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.line = line


def parse_imports(code: bytes | str, aliases: dict[str, str], dialect: Dialect) -> list[Import]:
    """The imports of ``code``. ``aliases`` maps known names to full names; those that ``code`` binds are added.

    Raises:
        NotPython: it cannot be parsed as code of ``dialect``.
    """
    try:
        with warnings.catch_warnings():
            # An invalid escape sequence is only a warning, and not one about imports.
            warnings.simplefilter("ignore")
            # Syntax that is newer than this version is refused, as far as the parser can tell.
            tree = ast.parse(code, feature_version=min(dialect))
        aliases.update(_aliases(tree))
        visitor = _ImportVisitor(aliases)
        visitor.visit(tree)
    except SyntaxError as error:
        # The parser reports line 0 if it does not know the line.
        raise NotPython(_reason(error, dialect), error.lineno or None) from None
    except (RecursionError, MemoryError):
        raise NotPython("too deeply nested") from None
    except ValueError as error:
        # A null byte, or another encoding.
        raise NotPython(str(error).partition("\n")[0]) from None
    return visitor.found


def _reason(error: SyntaxError, dialect: Dialect) -> str:
    reason = str(error.msg)
    python, parser = dialect
    if python <= parser:
        return reason
    # The code may be right: a parser does not know the syntax of later versions.
    here, later = f"{parser[0]}.{parser[1]}", f"{python[0]}.{python[1]}"
    return f"{reason} (lockgen runs on Python {here}: to parse newer syntax, run it on {later})"


def _aliases(tree: ast.AST) -> dict[str, str]:
    """The full names of names that imports bind: "importlib.import_module" for `im`."""
    found: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                if alias.asname:
                    found[alias.asname] = alias.name
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            for alias in node.names:
                found[alias.asname or alias.name] = f"{node.module}.{alias.name}"
    return found


class _Scope(NamedTuple):
    """The code around a statement: a function, a `try` that catches import errors, `if TYPE_CHECKING`."""

    late: bool = False
    optional: bool = False
    typing: bool = False


class _ImportVisitor(ast.NodeVisitor):
    """Collects the imports of a module."""

    def __init__(self, aliases: dict[str, str]) -> None:
        self.found: list[Import] = []
        self._aliases = aliases
        self._scope = _Scope()

    def _add(self, name: str, line: int, kind: ImportKind = "plain", module: str = "") -> None:
        self.found.append(Import(name, line, self._kind_here(kind), module or name))

    def _kind_here(self, kind: ImportKind) -> ImportKind:
        if kind == "distribution":
            return kind
        if self._scope.typing:
            return "typing"
        if self._scope.optional:
            return "optional"
        if self._scope.late and kind == "plain":
            return "late"
        return kind

    # -- import statements ---------------------------------------------------------------------

    def visit_Import(self, node: ast.Import) -> None:
        for alias in node.names:
            self._add(alias.name, node.lineno)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        # A relative import is of the same package.
        if node.level or node.module is None:
            return
        for alias in node.names:
            name = node.module if alias.name == "*" else f"{node.module}.{alias.name}"
            self._add(name, node.lineno, module=node.module)

    # -- calls and commands --------------------------------------------------------------------

    def visit_Call(self, node: ast.Call) -> None:
        function = self._full_name(node.func)
        last_name = function.rpartition(".")[2]
        call = _CALLS.get(function) or _CALLS.get(last_name)
        if call is not None:
            self._add_call(node, call)
        self.generic_visit(node)

    def _add_call(self, node: ast.Call, call: _ImportingCall) -> None:
        arguments = node.args[:1] or [keyword.value for keyword in node.keywords if keyword.arg in call.keywords]
        if not arguments:
            return
        # pkgutil.resolve_name accepts "module:object".
        name = _string(arguments[0]).partition(":")[0]
        # The name of a distribution may have dashes.
        is_valid = bool(name) if call.kind == "distribution" else _is_module_name(name)
        if is_valid:
            self._add(name, node.lineno, call.kind)

    def visit_List(self, node: ast.List) -> None:
        self._visit_command(node.elts)
        self.generic_visit(node)

    def visit_Tuple(self, node: ast.Tuple) -> None:
        self._visit_command(node.elts)
        self.generic_visit(node)

    def _visit_command(self, parts: Sequence[ast.expr]) -> None:
        """Adds the module of `[sys.executable, "-m", "module"]`."""
        if not parts:
            return
        program = parts[0]
        is_this_python = self._full_name(program) == "sys.executable"
        if not is_this_python and not re.fullmatch(r"(.*/)?python[\d.]*", _string(program)):
            return
        name = _module_option(_string(part) for part in parts[1:])
        if not _is_module_name(name):
            return
        # "python3" may be an installation with other packages. Every Python comes with pip.
        kind: ImportKind = "by-name" if is_this_python and name != "pip" else "optional"
        self._add(name, program.lineno, kind)

    def _full_name(self, node: ast.expr) -> str:
        """`a.b.c` without aliases. If it does not begin with a name, "" or text that begins with a dot."""
        if isinstance(node, ast.Attribute):
            return f"{self._full_name(node.value)}.{node.attr}"
        if not isinstance(node, ast.Name):
            return ""
        name = self._aliases.get(node.id, node.id)
        if name.partition(".")[0] in {"importlib_metadata", "importlib_resources"}:
            # A backport of importlib.metadata or importlib.resources.
            return name.replace("_", ".", 1)
        return name

    # -- scopes --------------------------------------------------------------------------------

    def _visit_in(
        self, nodes: Iterable[ast.AST], *, late: bool = False, optional: bool = False, typing: bool = False
    ) -> None:
        outer = self._scope
        self._scope = _Scope(outer.late or late, outer.optional or optional, outer.typing or typing)
        for node in nodes:
            self.visit(node)
        self._scope = outer

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        self._visit_function(node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> None:
        self._visit_function(node)

    def visit_Lambda(self, node: ast.Lambda) -> None:
        self._visit_in([node.body], late=True)

    def _visit_function(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        # Decorators and default values run when the function is defined.
        self._visit_in([*node.decorator_list, node.args])
        self._visit_in(node.body, late=True)

    def visit_Try(self, node: ast.Try) -> None:
        self._visit_try(node)

    def visit_TryStar(self, node: ast.TryStar) -> None:
        self._visit_try(node)

    def _visit_try(self, node: ast.Try | ast.TryStar) -> None:
        recovers = any(_recovers(handler) for handler in node.handlers)
        self._visit_in(node.body, optional=recovers)
        for handler in node.handlers:
            # The handler imports an alternative, and one of the two is enough.
            self._visit_in(handler.body, optional=_catches_import_error(handler.type))
        self._visit_in([*node.orelse, *node.finalbody])

    def visit_With(self, node: ast.With) -> None:
        managers = [item.context_expr for item in node.items]
        self._visit_in(managers)
        self._visit_in(node.body, optional=any(_suppresses_import_error(manager) for manager in managers))

    def visit_If(self, node: ast.If) -> None:
        self._visit_in([node.test])
        # Code for another platform or Python version may not be needed on this one.
        optional = _tests_platform(node.test)
        self._visit_in(node.body, typing=self._is_for_type_checkers(node.test, True), optional=optional)
        self._visit_in(node.orelse, typing=self._is_for_type_checkers(node.test, False), optional=optional)

    def _is_for_type_checkers(self, test: ast.expr, outcome: bool) -> bool:
        """Whether ``test`` has this outcome only for type checkers, and never at run time."""
        if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
            return self._is_for_type_checkers(test.operand, not outcome)
        if isinstance(test, ast.BoolOp):
            parts = [self._is_for_type_checkers(part, outcome) for part in test.values]
            # All parts of a true `and` are true, and all parts of a false `or` are false, so one part is enough.
            all_have_outcome = isinstance(test.op, ast.And) == outcome
            return any(parts) if all_have_outcome else all(parts)
        last_name = self._full_name(test).rpartition(".")[2]
        return outcome and last_name == "TYPE_CHECKING"


# -- expressions ------------------------------------------------------------------------------


def _last_name(node: ast.AST) -> str:
    """The last name of `a.b.c`, "" for other expressions."""
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


def _string(node: ast.expr) -> str:
    """The value of a string literal, "" for other expressions."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    return ""


def _is_module_name(text: str) -> bool:
    return all(part.isidentifier() for part in text.split("."))


def _module_option(arguments: Iterator[str]) -> str:
    """The module that `python` runs with ``arguments``, "" if it runs a file or if that is unclear."""
    for argument in arguments:
        if argument == "-m":
            return next(arguments, "")
        if not argument.startswith("-"):
            return ""
        if argument in {"-W", "-X"}:
            # These options have a value.
            next(arguments, "")
    return ""


def _recovers(handler: ast.ExceptHandler) -> bool:
    """Whether the handler makes an import optional. Code that only exits with a message needs the import."""
    return _catches_import_error(handler.type) and not _exits(handler.body)


def _catches_import_error(exception: ast.expr | None) -> bool:
    # A bare `except:` catches everything.
    if exception is None:
        return True
    if isinstance(exception, ast.Tuple):
        return any(_catches_import_error(part) for part in exception.elts)
    return _last_name(exception) in _IMPORT_ERRORS


def _exits(body: Sequence[ast.stmt]) -> bool:
    last = body[-1]
    if isinstance(last, ast.Raise):
        return True
    if isinstance(last, ast.Expr) and isinstance(last.value, ast.Call):
        return _last_name(last.value.func) in _EXITS
    return False


def _suppresses_import_error(manager: ast.expr) -> bool:
    """Whether it is `contextlib.suppress(ImportError)`."""
    if not isinstance(manager, ast.Call) or _last_name(manager.func) != "suppress":
        return False
    return any(_catches_import_error(argument) for argument in manager.args)


def _tests_platform(test: ast.expr) -> bool:
    """Whether it reads `sys.platform`, `sys.version_info`, `os.name` or similar."""
    for node in ast.walk(test):
        if _last_name(node) in _PLATFORM_NAMES:
            return True
        # `name` alone is too common a word.
        if isinstance(node, ast.Attribute) and node.attr == "name" and _last_name(node.value) == "os":
            return True
    return False
