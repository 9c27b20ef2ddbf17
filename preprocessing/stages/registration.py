"""Registry of the registration methods."""

from collections.abc import Callable

from flame.core.registry import Registry
from flame.preprocessing.stages import itk_registration, linear_registration
from flame.preprocessing.stages.linear_registration import Matrix

REGISTRATIONS: Registry[Callable[..., Matrix]] = Registry("registration method")
"""Methods by name; each returns the RAS+ matrix (4, 4) in mm from the moving to the fixed world."""
REGISTRATIONS.register("flame")(linear_registration.register)
REGISTRATIONS.register("simpleitk")(itk_registration.register)
