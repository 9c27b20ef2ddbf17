"""Extension of griffe: the section ``Example:`` of a docstring is shown as code."""

import re
from typing import Any

from griffe import Extension, Object


class Examples(Extension):
    """Renames the section to ``Examples:``, the only name that griffe reads as code."""

    def on_instance(self, *, obj: Object, **_: Any) -> None:
        """Rename the section in the docstring of an object that was loaded."""
        if obj.docstring:
            text = re.sub(r"(?m)^Example:$", "Examples:", obj.docstring.value)
            obj.docstring.value = re.sub(r"(?m)^ +::\n\n?", "", text)
