"""The benchmarks run: worker, web process and simulator come up, and all is sent. How fast is not tested here."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.bench.processes import ROOT


@pytest.mark.parametrize("name", ["links", "subjects", "transactional", "access", "own_defaults"])
def test_each_benchmark_runs(name: str) -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "tests.bench", "--quick", name],
        cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert f'"benchmark":"{name}"' in ran.stdout, ran.stderr[-2000:]
