"""`siamtrack doctor`."""

from __future__ import annotations


def doctor() -> int:
    """Versions, device, precision, and what is missing with how to get it. Status 1 if tracking cannot work."""
    from rich.console import Console
    from rich.table import Table

    from siamtrack.doctor import examine

    findings = examine()
    table = Table("", "what", "found", "to do")
    marks = {True: "[green]ok[/]", False: "[red]no[/]", None: "[yellow]--[/]"}
    for finding in findings:
        table.add_row(marks[finding.ok], finding.what, finding.found, finding.to_do)
    Console().print(table)
    return 0 if all(finding.ok is not False for finding in findings) else 1
