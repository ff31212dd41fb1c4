"""Renews the generated pages: the data dictionary and the JSON Schema of trial.yaml.

With `--check` nothing is written; the exit code is 1 when a page is stale.
"""

from __future__ import annotations

import sys
from pathlib import Path

from make_data_dictionary import data_dictionary

from validations.manifest.schema import manifest_json_schema_text

FOLDER = Path(__file__).parent
PAGES = {
    "data_dictionary.md": data_dictionary,
    "trial.schema.json": manifest_json_schema_text,
}


def stale_pages() -> list[str]:
    """Names of the generated pages that are missing or differ from what they would be now."""
    stale = []
    for name, make in PAGES.items():
        path = FOLDER / name
        if not path.is_file() or path.read_text(encoding="utf-8") != make():
            stale.append(name)
    return stale


def write_pages() -> None:
    """Write every generated page."""
    for name, make in PAGES.items():
        (FOLDER / name).write_text(make(), encoding="utf-8")


def main(arguments: list[str]) -> int:
    if arguments == ["--check"]:
        stale = stale_pages()
        if stale:
            print(f"stale: {', '.join(f'docs/{name}' for name in stale)}; run `make docs`")
        return 1 if stale else 0
    if arguments:
        print("usage: python docs/make_docs.py [--check]", file=sys.stderr)
        return 2
    write_pages()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
