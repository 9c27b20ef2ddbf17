"""The in-process engine: sites are objects in this process, called one after the other."""

from collections.abc import Mapping
from copy import deepcopy
from typing import Any

from flame.federation.calls import Answers, Call
from flame.federation.site import Site
from flame.federation.task import Message


def in_process_call(here: Mapping[str, Site]) -> Call:
    """Return a call that reaches the sites ``here`` directly.

    Arguments and answers are copied, as a network would, so that no array is ever shared.
    """

    def call(
        method: str,
        sites: tuple[str, ...],
        each: Mapping[str, Message] | None = None,
        **arguments: Any,
    ) -> Answers:
        answers: dict[str, Any] = {}
        for name in sites:
            given = deepcopy({**arguments, **(each or {}).get(name, {})})
            answers[name] = deepcopy(getattr(here[name], method)(**given))
        return Answers(answers)

    return call
