"""The resolvers behind the port, looked up in one table."""

from __future__ import annotations

from lockgen.core.resolution import Resolver

NAMES = ("uv", "pip-compile")


def resolver(name: str, time_limit: float = 600) -> Resolver:
    """The resolver called ``name`` (one of NAMES); only its own module is imported.

    uv heeds ``time_limit``, in seconds.
    """
    if name == "pip-compile":
        from lockgen.resolvers.pip_compile import PipCompile

        return PipCompile()
    from lockgen.resolvers.uv import Uv

    return Uv(time_limit)
