"""The name under which `trackers.ini` files of the VOT toolkit start `siamtrack.cli.vot`."""
