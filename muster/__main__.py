"""`python -m muster`: the command `muster` of this very Python."""

from muster.cli import main

main()
