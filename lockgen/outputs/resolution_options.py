"""The options of a resolution. An unchanged `resolve` imports this module, so it imports nothing."""

from __future__ import annotations

from dataclasses import dataclass

REFERENCE = "uv"
"""The resolver that results are compared with."""


@dataclass(frozen=True)
class ResolutionOptions:
    """How to resolve. ``upgrade`` keeps no locked version, ``upgrade_packages`` none of these packages.

    ``bounds`` (PEP 508) apply besides versions.toml: see Engine. With ``looks_up``, the index is asked for what a
    family without a solution lacks.
    """

    resolver: str = "uv"
    offline: bool = False
    live: bool = False
    upgrade: bool = False
    upgrade_packages: tuple[str, ...] = ()
    bounds: tuple[str, ...] = ()
    looks_up: bool = True


@dataclass(frozen=True)
class ResolveOptions(ResolutionOptions):
    """The options of the command.

    ``check`` writes nothing, and exits with 1 if something would be written. With ``strict``, warnings are errors.
    """

    check: bool = False
    no_cache: bool = False
    as_json: bool = False
    strict: bool = False

    @property
    def accepts_known(self) -> bool:
        """Whether the result of an earlier run will do. The other options ask for a new one."""
        is_moving = self.upgrade or self.upgrade_packages or self.live or self.no_cache
        return not is_moving and self.resolver == REFERENCE
