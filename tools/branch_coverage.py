"""Print which branches the tests took, by package, and fail if they took too few: `make coverage`."""

from __future__ import annotations

import json
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from coverage import Coverage

from core.settings import ROOT

MIN_COVERAGE: Final = {"messaging": 90.0, "campaigns": 90.0, "ballots": 90.0, "services": 90.0}
"""Per cent of a package's branches that tests must take."""
MAX_SHOWN_FILES: Final = 10
"""Most modules that are named, the ones with most branches missing first, if a package has too few."""


@dataclass(frozen=True, slots=True)
class Branches:
    """Branches of a module or package.

    Attributes:
        module: its path from the root, or the package's name.
        taken: how many some test took.
        total: how many there are.
    """

    module: str
    taken: int
    total: int

    @property
    def missing(self) -> int:
        """Number of branches that no test took."""
        return self.total - self.taken

    @property
    def share(self) -> float:
        """Per cent that were taken; 100 if there are none."""
        return 100 * self.taken / self.total if self.total else 100.0

    def __str__(self) -> str:
        return f"{self.module:<44}{self.total:>6}{self.missing:>6}{self.share:>7.1f} %"


def read_branches(files: Mapping[str, Any]) -> list[Branches]:
    """Read the branches of each module from the files of a JSON report of coverage."""
    return [
        Branches(module, counts["covered_branches"], counts["num_branches"])
        for module, counts in ((name, file["summary"]) for name, file in files.items())
    ]


def report(modules: Iterable[Branches], least: Mapping[str, float] = MIN_COVERAGE) -> tuple[list[str], bool]:
    """Sum the branches of each package up.

    Args:
        modules: all that were measured.
        least: per cent that packages must reach.

    Returns:
        The lines to print, and whether every package reaches its share. A package that was not measured does not.
    """
    packages: defaultdict[str, list[Branches]] = defaultdict(list)
    for module in modules:
        packages[module.module.partition("/")[0]].append(module)
    lines = [f"{'branches taken by the tests':<44}{'all':>6}{'not':>6}"]
    enough = packages.keys() >= least.keys()
    lines += [f"{package} was not measured" for package in sorted(least.keys() - packages.keys())]
    for package, inside in sorted(packages.items()):
        package_branches = Branches(
            package, sum(module.taken for module in inside), sum(module.total for module in inside)
        )
        lines.append(str(package_branches))
        if package_branches.share < least.get(package, 0):
            enough = False
            lines.append(f"  too few: {least[package]:.0f} % are asked for; most are missing in")
            worst = sorted(inside, key=lambda module: module.missing, reverse=True)[:MAX_SHOWN_FILES]
            lines += [f"  {module}" for module in worst if module.missing]
    return lines, enough


def main() -> int:
    """Combine the measurements of the tests' processes, and print the report; return the exit status."""
    measured = Coverage(config_file=str(ROOT / "pyproject.toml"))
    measured.combine()
    measured.save()
    with tempfile.TemporaryDirectory() as folder:
        outfile = Path(folder) / "coverage.json"
        measured.json_report(outfile=str(outfile))
        files = json.loads(outfile.read_text(encoding="utf-8"))["files"]
    lines, enough = report(read_branches(files))
    sys.stdout.write("\n".join(lines) + "\n")
    return 0 if enough else 1


if __name__ == "__main__":
    sys.exit(main())
