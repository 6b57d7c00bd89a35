"""The tiny family for every test here."""

from support.tiny import engine, tiny

__all__ = ["engine", "tiny"]
