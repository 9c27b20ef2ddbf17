"""FLAME: federated learning for advanced medical estimation."""

__version__ = "0.1.0"
