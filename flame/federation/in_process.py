"""The in-process engine: sites are objects in this process, called one after the other."""

from collections.abc import Mapping
from copy import deepcopy
from typing import Any

from flame.federation.calls import Answers, Call, given
from flame.federation.site import Site
from flame.federation.task import Message


def in_process_call(here: Mapping[str, Site]) -> Call:
    """Return a call that reaches the sites ``here`` directly.

    Arguments and answers are copied, as a network would, so that no array is ever shared. Where
    a call need not wait for all, sites are done in the order in which they began.
    """
    begun: dict[str, dict[str, Any]] = {}

    def call(
        method: str,
        sites: tuple[str, ...],
        each: Mapping[str, Message] | None = None,
        enough: int = 0,
        **arguments: Any,
    ) -> Answers:
        if not enough:
            begun.clear()
        for name in sites:
            if name not in begun:
                begun[name] = deepcopy(given(name, each, arguments))
        done = [name for name in begun if name in sites][: enough or None]
        return Answers(
            {name: deepcopy(getattr(here[name], method)(**begun.pop(name))) for name in done}
        )

    return call
