"""Choice of the engine by its name in a configuration."""

from flame.federation import in_process  # noqa: F401  (it registers itself)
from flame.federation.engine import ENGINES, Engine
from flame.federation.flare import engine as flare_engine  # noqa: F401  (it registers itself)


def open_engine(name: str) -> Engine:
    """Return the engine called ``name``."""
    return ENGINES[name]()
