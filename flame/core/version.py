"""The version of FLAME; nothing else knows it."""

__version__ = "0.1.0"
