"""Reports beside each other: what changed between two, and several companies' in one."""

import sys
from pathlib import Path
from typing import Any

from invrbench.cli.common import repository, write_result


def diff(arguments: Any) -> int:
    """Print what changed between two reports, and write it as tables where a folder is named."""
    from invrbench.report.diff import compare_reports
    from invrbench.report.diff_tables import diff_lines, diff_value, write_diff
    from invrbench.report.given import read_given

    found = compare_reports(read_given(Path(arguments.old)), read_given(Path(arguments.new)))
    if arguments.output:
        write_diff(Path(arguments.output), found)
    text = "\n".join(diff_lines(found)) + "\n"
    write_result(diff_value(found) if arguments.json else None, arguments.json, text)
    if arguments.json and arguments.json != "-":
        sys.stdout.write(text)
    return 0


def merge(arguments: Any) -> int:
    """Write contributions of several companies as one workbook, under one anchor."""
    from invrbench.report.brought import check_merge_label, read_brought
    from invrbench.report.merge import merge_reports
    from invrbench.report.merge_files import refuse_other, summary_text, write_merge

    label = check_merge_label(arguments.label)
    folder = Path(arguments.output) if arguments.output else repository() / "reports/merged" / label
    refuse_other(folder, label)
    brought, checks = read_brought([Path(each) for each in arguments.contributions], arguments.ctc)
    merged = merge_reports(label, brought, checks, anchor_from=arguments.anchor_from)
    write_merge(folder, merged)
    sys.stdout.write(summary_text(merged))
    return 0
