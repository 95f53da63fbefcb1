"""`siamtrack doctor`."""

from __future__ import annotations


def doctor() -> int:
    """Say what is installed, and how to get what is missing. Status 1 if tracking cannot work."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    from siamtrack.doctor import examine

    findings = examine()
    table = Table("", "what", "found", "to do")
    marks = {True: "[green]ok[/]", False: "[red]no[/]", None: "[yellow]--[/]"}
    for finding in findings:
        table.add_row(marks[finding.ok], *map(escape, (finding.what, finding.found, finding.to_do)))
    Console().print(table)
    return 0 if all(finding.ok is not False for finding in findings) else 1
