"""Text from outside, made safe to show in a terminal, a log or a table."""


def shown(text: object) -> str:
    """Replace characters that are not printable by escapes.

    Args:
        text: anything that was read from a file or a message.

    Returns:
        Its text in one line: line breaks, control characters such as ESC, and invisible marks that
        turn the direction of writing are shown as escapes; letters of all scripts stay.

    Example:
        >>> shown("T1\\x1b[2J\\nrefused")
        'T1\\\\x1b[2J\\\\nrefused'
    """
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in str(text))


def shown_lines(text: str) -> str:
    """Do the same with each line of a text, whose line breaks stay.

    Args:
        text: text of one or more lines.

    Returns:
        The lines.
    """
    return "\n".join(map(shown, text.split("\n")))
