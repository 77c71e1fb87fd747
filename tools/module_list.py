"""Print each module with the first sentence of its docstring: `make modules ARGS=campaigns.replies`, or all of them."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from core.settings import ROOT

PACKAGES: Final = (
    "core", "messaging", "people", "staff", "ballots", "services", "campaigns", "webhooks", "api", "console", "muster",
    "sandbox", "tools",
)  # fmt: skip
"""Packages, the lowest first: each imports only packages before it, or beside it."""


def first_sentence(path: Path) -> str:
    """Return the first sentence of a module's docstring; "" if it has none."""
    docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    paragraph = " ".join(docstring.partition("\n\n")[0].split())
    return re.split(r"(?<=[.?!]) (?=[A-Z`“])", paragraph, maxsplit=1)[0]


def modules(package: str = "") -> Iterator[tuple[str, str]]:
    """Yield each module of a package, or of all, with its sentence; a package itself stands before its modules.

    Args:
        package: such as `campaigns.replies`; empty for all.
    """
    for top in PACKAGES:
        for path in sorted((ROOT / top).rglob("*.py"), key=lambda path: path.relative_to(ROOT).with_suffix("").parts):
            name = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
            if not package or name == package or name.startswith(f"{package}."):
                yield name, first_sentence(path)


def main() -> None:
    """Print the list.

    Raises:
        SystemExit: there is no package of that name.
    """
    package = sys.argv[1] if len(sys.argv) > 1 else ""
    listed = list(modules(package))
    if not listed:
        raise SystemExit(f"There is no package {package}. One of: {' '.join(PACKAGES)}")
    width = max(len(name) for name, _ in listed)
    for name, sentence in listed:
        sys.stdout.write(f"{name:<{width}}  {sentence}\n")


if __name__ == "__main__":
    main()
