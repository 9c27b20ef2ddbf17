"""What may leave a site about an error: its kind only, as its text may hold patient data."""

import logging
import traceback


def logged_kind(what: str, error: Exception) -> str:
    """Log an error and return its kind.

    The site's log gets the kind and the traceback, without the text of the error.

    Args:
        what: the method in which it happened.
        error: the error.

    Returns:
        Name of the error's class.
    """
    kind, where = type(error).__name__, "".join(traceback.format_tb(error.__traceback__))
    logging.getLogger(__name__).error("%s: %s at\n%s", what, kind, where)
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
