"""What a site tells of an error of its own: its kind, for its text may hold a patient's data."""

import logging
import traceback


def logged_kind(what: str, error: Exception) -> str:
    """The kind of an error in ``what``; the site's own log says where it was, and not its text."""
    kind, where = type(error).__name__, "".join(traceback.format_tb(error.__traceback__))
    logging.getLogger(__name__).error("%s: %s at\n%s", what, kind, where)
    return kind


def in_words(kind: str) -> str:
    """What others are told of it."""
    return f"failed ({kind}); its own log says where"
