"""Hash of the code that makes a result, and of the packages below it."""

from __future__ import annotations

import hashlib
import json
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

_ROOT = Path(__file__).parents[2]
_ENDINGS = (".py", ".html", ".css", ".js", ".svg")


@cache
def code_hash(rooms: tuple[str, ...], packages: tuple[str, ...]) -> str:
    """Hexadecimal SHA-256 of every source file below the rooms (folders of this project) and of
    the versions of the packages."""
    digest = hashlib.sha256()
    for room in rooms:
        for path in sorted((_ROOT / room).rglob("*")):
            if path.suffix in _ENDINGS:
                digest.update(str(path.relative_to(_ROOT)).encode())
                digest.update(hashlib.sha256(path.read_bytes()).digest())
    digest.update(json.dumps(versions(packages)).encode())
    return digest.hexdigest()


def versions(packages: tuple[str, ...]) -> dict[str, str]:
    """Version of each installed package, `not installed` of the others."""
    return {name: _version(name) for name in packages}


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"
