"""Run the ``flame`` command by ``python -m flame.cli``."""

from flame.cli import main

if __name__ == "__main__":
    main()
