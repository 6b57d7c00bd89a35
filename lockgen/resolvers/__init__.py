"""The resolvers behind the port. A new resolver is one module with a `create` function, and one line in the table."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module

from lockgen.core.resolution import Resolver
from lockgen.io.http import Http

# Names of modules, so that only the resolver in use is imported.
_MODULES = {
    "uv": "lockgen.resolvers.uv",
    "pip-compile": "lockgen.resolvers.pip_compile",
}

NAMES = tuple(_MODULES)


def resolver(name: str, http: Http, time_limit: float = 600) -> Resolver:
    """The resolver ``name`` (one of NAMES). ``time_limit`` is in seconds for each solve; pip-compile ignores it."""
    create: Callable[[Http, float], Resolver] = import_module(_MODULES[name]).create
    return create(http, time_limit)
