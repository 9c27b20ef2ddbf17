"""Errors at a site: only their kind may leave it, as their texts may hold patient data."""

import logging
import traceback
from pathlib import Path

from flame.core.error_log import log_error


def logged_kind(what: str, error: Exception, beside: Path) -> str:
    """Log an error and return its kind.

    The kind and the lines of code are written to NVIDIA FLARE's log, which an admin can read. The
    whole traceback is written to a log beside the site's folder, which only its owner can read.

    Args:
        what: the method in which the error was raised.
        error: the error.
        beside: folder of the site, such as its kit.

    Returns:
        Name of the error's class.
    """
    kind = type(error).__name__
    lines = "".join(traceback.format_tb(error.__traceback__))
    logging.getLogger(__name__).error("%s: %s at\n%s", what, kind, lines)
    log_error(beside, what, error)
    return kind


def in_words(kind: str) -> str:
    """Describe an error to others by its kind.

    Args:
        kind: name of the error's class.

    Returns:
        The description, which follows the name of the site in a message.

    Example:
        >>> in_words("ValueError")
        'failed (ValueError); the reason is at that machine, in KIT.errors.log beside the kit'
    """
    return f"failed ({kind}); the reason is at that machine, in KIT.errors.log beside the kit"
