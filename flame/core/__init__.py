"""The vocabulary: frozen types, errors, registries and configuration."""
