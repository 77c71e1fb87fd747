"""Run every fault and print what came of it: `python -m tests.faults` (`make faults`)."""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import os
import sys
from pathlib import Path

from muster.logs import configure_logs
from tests.faults.faults import FAULTS, Fault
from tests.faults.reconciliation import Finding
from tests.faults.run import run_fault
from tests.faults.scale import FULL, SHORT, Scale
from tests.faults.servers import open_servers
from tests.faults.table import as_json, for_terminal, is_kept, write_docs


def main() -> int:
    """0 where every demand was met, 1 where one was broken, 2 for bad usage."""
    parser = argparse.ArgumentParser(prog="make faults", description=__doc__)
    parser.add_argument("--short", action="store_true", default=bool(os.environ.get("MUSTER_FAULTS_SHORT")),
                        help="a few hundred messages instead of 6,000 for each fault")  # fmt: skip
    parser.add_argument("--json", action="store_true", help="print one JSON object, nothing else")
    parser.add_argument("--only", action="append", choices=[fault.name for fault in FAULTS], metavar="FAULT",
                        help="run only this one; may be repeated")  # fmt: skip
    parser.add_argument("--list", action="store_true", help="list the faults and end")
    parser.add_argument("--write-docs", action="store_true", help="put the table into docs/delivery.md")
    parser.add_argument("--logs", type=Path, metavar="FOLDER", help="keep the processes' logs there")
    asked = parser.parse_args()
    if asked.list:
        for fault in FAULTS:
            print(f"{fault.name:<24}{fault.what}")
        return 0
    if asked.write_docs and (asked.short or asked.only):
        parser.error("the table of the docs is of every fault at full size")
    scale = SHORT if asked.short else FULL
    chosen = [fault for fault in FAULTS if (asked.only is None or fault.name in asked.only)]
    configure_logs("text", level=logging.WARNING)
    findings = _run_all(
        scale, [fault for fault in chosen if asked.only or scale is FULL or not fault.only_full], asked.logs
    )
    print(json.dumps(as_json(scale, findings)) if asked.json else for_terminal(findings))
    if asked.write_docs:
        write_docs(scale, findings)
    return 0 if is_kept(findings) else 1


def _run_all(scale: Scale, faults: list[Fault], logs: Path | None) -> list[Finding]:
    findings = []
    if logs is not None:
        logs.mkdir(parents=True, exist_ok=True)
    with open_servers(scale) as servers:
        for number, fault in enumerate(faults, start=1):
            print(f"[{number}/{len(faults)}] {fault.name}: {fault.what}", file=sys.stderr, flush=True)
            try:
                finding = asyncio.run(run_fault(servers, scale, fault, logs=logs))
            except Exception as error:  # noqa: BLE001  # the others are run all the same
                finding = Finding(fault.name, broken=[f"it could not be run: {error!r}"])
            for words in finding.broken:
                print(f"  BROKEN: {words}", file=sys.stderr, flush=True)
            findings.append(finding)
    return findings


if __name__ == "__main__":
    sys.exit(main())
