"""The wheel installed without a checkout: it holds the packages and templates, and its demo reconciles."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tarfile
import tempfile
import venv
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.command import ROOT
from tools.module_list import PACKAGES

OURS = tuple(package for package in PACKAGES if package != "tools")


def build(kind: str, source: Path, into: Path) -> Path:
    """Build an sdist or a wheel; returns its path."""
    subprocess.run([sys.executable, "-m", "hatchling", "build", "-t", kind, "-d", into], cwd=source, check=True)
    (built,) = into.iterdir()
    return built


@pytest.fixture(scope="module")
def sdist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The source archive of this checkout."""
    return build("sdist", ROOT, tmp_path_factory.mktemp("sdist"))


@pytest.fixture(scope="module")
def wheel(sdist: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from the source archive alone."""
    source = tmp_path_factory.mktemp("source")
    with tarfile.open(sdist) as archive:
        archive.extractall(source, filter="data")
    (unpacked,) = source.iterdir()
    return build("wheel", unpacked, tmp_path_factory.mktemp("wheel"))


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that everybody may enter: for root, the server's programs need no copy elsewhere then."""
    with tempfile.TemporaryDirectory(prefix="muster-test-") as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


def written(*folders: str) -> set[str]:
    """Files of the checkout in some folders, but for those git ignores."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", *folders],
        cwd=ROOT, check=True, capture_output=True, text=True,
    )  # fmt: skip
    return {name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()}


def test_the_wheel_holds_the_packages_and_templates_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        held = {name for name in archive.namelist() if ".dist-info/" not in name}

    assert held == written(*OURS) | {f"muster/{name}" for name in written("templates")}


def test_the_source_archive_holds_neither_tests_nor_tools(sdist: Path) -> None:
    with tarfile.open(sdist) as archive:
        held = {name.partition("/")[2] for name in archive.getnames()}

    pages = {"ARCHITECTURE.md", "CHANGELOG.md", "CONTRIBUTING.md", "LICENSE", "README.md", "SECURITY.md"}
    own = {".gitignore", "PKG-INFO", "pyproject.toml", "requirements.lock"}
    assert held == written(*OURS, "templates", "docs") | pages | own


def versions() -> str:
    """Locked versions, without their hashes: the wheel itself could have none."""
    lines = (ROOT / "requirements.lock").read_text(encoding="utf-8").splitlines()
    return "\n".join(line.removesuffix(" \\") for line in lines if line[:1].isalpha())


@pytest.mark.timeout(900)  # a new machine downloads some 100 MB first
def test_the_demo_reconciles_where_only_the_wheel_is_installed(wheel: Path, open_folder: Path) -> None:
    place, folder, constraints = (open_folder / name for name in ("environment", "elsewhere", "versions.txt"))
    venv.create(place, symlinks=True)
    constraints.write_text(versions(), encoding="utf-8")
    folder.mkdir()
    (folder / "core.py").write_text("raise SystemExit('not ours')", encoding="utf-8")
    outside = {name: value for name, value in os.environ.items() if not name.startswith(("MUSTER_", "PYTHON"))}
    pip = [sys.executable, "-m", "pip", "--python", str(place / "bin" / "python")]

    subprocess.run([*pip, "install", "--quiet", "--no-compile", "-c", constraints, wheel], cwd=folder, check=True)
    done = subprocess.run(
        [place / "bin" / "muster", "demo", "--members", "120", "--headless", "--json"],
        cwd=folder, env=outside, capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["reconciled"]
    assert told["turnout"]["electorate"] == 120
    assert sorted(path.name for path in folder.iterdir()) == [".muster", "core.py"]
