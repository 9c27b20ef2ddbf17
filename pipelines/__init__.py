"""One command a file: ``run(config) -> result``."""
