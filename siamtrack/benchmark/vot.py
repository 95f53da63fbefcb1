"""Alias of `siamtrack.cli.vot`, for `trackers.ini` files that name it."""

from siamtrack.cli.vot import main

__all__ = ["main"]

if __name__ == "__main__":
    raise SystemExit(main())
