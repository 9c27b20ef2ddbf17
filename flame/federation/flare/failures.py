"""What may leave a site about an error: its kind only, as its text may hold patient data."""

import logging
import traceback
from pathlib import Path

from flame.core.error_log import log_error


def logged_kind(what: str, error: Exception, beside: Path) -> str:
    """Log an error and return its kind.

    NVIDIA FLARE's log, which an admin can read, gets the kind and where it was. The whole traceback
    goes to a log beside the site's folder, which only its owner can read.

    Args:
        what: the method in which it happened.
        error: the error.
        beside: folder of the site, such as its kit.

    Returns:
        Name of the error's class.
    """
    kind, where = type(error).__name__, "".join(traceback.format_tb(error.__traceback__))
    logging.getLogger(__name__).error("%s: %s at\n%s", what, kind, where)
    log_error(beside, what, error)
    return kind


def in_words(kind: str) -> str:
    """Describe an error to others by its kind.

    Args:
        kind: name of the error's class.

    Example:
        >>> in_words("ValueError")
        'failed (ValueError); its own log says where'
    """
    return f"failed ({kind}); its own log says where"
