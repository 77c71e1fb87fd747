"""Run the command `muster` with this Python: `python -m muster`."""

from muster.cli import main

main()
