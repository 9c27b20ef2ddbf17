"""The version of FLAME, defined here only."""

__version__ = "0.1.0"
