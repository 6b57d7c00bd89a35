"""`lockgen schema`: the JSON schema of versions.toml, made from the model that reads the file."""

from __future__ import annotations

import json

from lockgen.errors import Exit
from lockgen.io.output import print_text
from lockgen.manifest.schema import json_schema


def text() -> str:
    """The schema, as in the file that lockgen ships."""
    return json.dumps(json_schema(), indent=2) + "\n"


def run() -> int:
    print_text(text(), end="")
    return Exit.DONE
