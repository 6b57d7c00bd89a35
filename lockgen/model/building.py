"""What a build did: steps, times, and what went wrong."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Step:
    """One step of one target: its text as BuildKit names it, and whether it came from the cache. Seconds of work."""

    target: str
    text: str
    cached: bool
    seconds: float
    error: str | None = None

    @property
    def works(self) -> bool:
        """Whether it is an instruction that makes something, not one that loads or exports."""
        return self.text.partition("] ")[2].startswith(("RUN ", "COPY ", "ADD ", "WORKDIR "))

    @property
    def installs(self) -> bool:
        return "uv pip install" in self.text or "pip wheel" in self.text
