"""Indexes on one server that need credentials, each its own."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field

from support.hand_server import Answer, Asked, Shelf


def basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


@dataclass
class Guarded:
    """Indexes /NAME/simple/ on one host, each with its own credentials, which its files in /NAME/files/ need too."""

    shelves: dict[str, Shelf]
    logins: dict[str, str]
    refused: list[str] = field(default_factory=list)

    def respond(self, asked: Asked) -> Answer:
        _, name, rest = asked.path.split("/", 2)
        if name not in self.shelves:
            return Answer(404)
        if asked.headers.get("authorization") != self.logins[name]:
            self.refused.append(asked.path)
            return Answer(401, headers={"WWW-Authenticate": 'Basic realm="x"'})
        return self.shelves[name].respond(Asked(f"/{rest}", asked.headers))
