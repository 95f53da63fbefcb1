"""`python -m siamtrack`: the same command."""

from siamtrack.cli import main

main()
