"""Contributions that leave the house and come in: pack one, cross-check another's."""

import logging
from pathlib import Path
from typing import Any

from invrbench.cli.common import plan_of, repository

logger = logging.getLogger(__name__)


def pack(arguments: Any) -> int:
    """Write a codec's points into one archive: decoder, bitstreams and claimed numbers."""
    from invrbench.compare.contribution import tested_rows
    from invrbench.ctc.names import check_label
    from invrbench.results.pack import Sender, gather, write_package

    label = check_label(arguments.label) if arguments.label else ""
    contribution = gather(plan_of(arguments), arguments.codec)
    sender = Sender(arguments.proponent, arguments.document, label)
    target = Path(arguments.output or repository() / contribution.file_name)
    bd = tested_rows(contribution.rows, contribution.anchors, contribution.plan.conditions)
    write_package(target, contribution, bd, sender, with_encoder=arguments.with_encoder)
    left = f"; left out: {len(contribution.left_out)} points that are not done"
    logger.info(
        "%s: %d points, %.1f MB%s.",
        target.name,
        len(contribution.packed),
        target.stat().st_size / 1e6,
        left * bool(contribution.left_out),
    )
    return 0
