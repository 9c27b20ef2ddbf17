"""Registries of the named entries that a configuration chooses from."""

from collections.abc import Callable, Iterator
from difflib import get_close_matches
from importlib import import_module
from pkgutil import iter_modules
from typing import Generic, TypeVar

from flame.core.errors import BadInput
from flame.core.plugins import discover

T = TypeVar("T")

_MOST_NAMED = 40
"""Choices that a hint names."""
_SHORT = 4
"""Letters below which a name is short."""


def nearest(name: str, choices: list[str]) -> str:
    """Return a hint such as ``did you mean 'fedavg'?``, followed by the choices.

    Of very many, as of the columns of a wide table, the first are named.
    """
    alike = 0.5 if len(name) < _SHORT else 0.6  # half of three letters is one wrong letter
    close = get_close_matches(name, choices, n=1, cutoff=alike)
    hint = f"did you mean '{close[0]}'? " if close else ""
    more = len(choices) - _MOST_NAMED
    rest = f" and {more} more" if more > 0 else ""
    return f"{hint}Choices: {', '.join(sorted(choices)[:_MOST_NAMED])}{rest}"


class Registry(Generic[T]):
    """A mapping from a name to an entry; an unknown name is an error that lists the choices.

    The registry loads plug-ins when an unknown name is looked up or names are listed.

    Args:
        kind: noun for an entry in error messages, such as ``strategy``.
        base: class that every entry derives from, or is an instance of; None: any entry.
        package: package whose modules register the entries. The module of an entry has its name,
            with _ for -, and is imported when the entry is first looked up; empty: other code
            imports the modules.

    Example:
        >>> shapes = Registry[int]("shape")
        >>> _ = shapes.register("triangle")(3)
        >>> shapes["triangle"]
        3
    """

    def __init__(self, kind: str, base: type | None = None, package: str = "") -> None:
        self.kind = kind
        self._base = base
        self._package = package
        self._entries: dict[str, T] = {}

    def register(self, name: str) -> Callable[[T], T]:
        """Return a decorator that adds its argument to the registry.

        Args:
            name: name of the entry.

        Returns:
            A decorator that returns its argument unchanged.

        Raises:
            ValueError: the name is taken.
            TypeError: the entry does not derive from the base of the registry.
        """

        def add(entry: T) -> T:
            if name in self._entries:
                raise ValueError(f"{self.kind} '{name}' is registered twice")
            self._check(name, entry)
            self._entries[name] = entry
            return entry

        return add

    def _check(self, name: str, entry: object) -> None:
        if self._base is None:
            return
        test = issubclass if isinstance(entry, type) else isinstance
        if not test(entry, self._base):  # type: ignore[arg-type]
            raise TypeError(f"{self.kind} '{name}' does not derive from {self._base.__name__}")

    def _module_names(self) -> list[str]:
        if not self._package:
            return []
        return [m.name for m in iter_modules(import_module(self._package).__path__)]

    def _load(self, wanted: str = "") -> None:
        """Import the module of an entry, or all modules."""
        for name in self._module_names():
            if not wanted or name == wanted.replace("-", "_"):
                import_module(f"{self._package}.{name}")

    def __getitem__(self, name: str) -> T:
        if name not in self._entries:
            self._load(name)
        if name not in self._entries:
            discover()
        try:
            return self._entries[name]
        except KeyError:
            raise BadInput(f"unknown {self.kind} '{name}': {nearest(name, list(self))}") from None

    def __iter__(self) -> Iterator[str]:
        self._load()
        discover()
        return iter(sorted(self._entries))
