"""``python -m flame.cli``."""

from flame.cli import main

main()
