"""`siamtrack doctor`."""

from __future__ import annotations

import typer


def doctor() -> int:
    """Say what is installed, and how to get what is missing. Status 1 if tracking cannot work."""
    from siamtrack.doctor import examine

    findings = examine()
    for finding in findings:
        mark = {True: "ok", False: "missing", None: "optional"}[finding.ok]
        to_do = f"; {finding.to_do}" if finding.to_do else ""
        typer.echo(f"{mark:10}{finding.what:34}{finding.found}{to_do}")
    return 0 if all(finding.ok is not False for finding in findings) else 1
