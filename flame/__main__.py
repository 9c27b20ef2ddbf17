"""``python -m flame``."""

from flame.cli import main

if __name__ == "__main__":
    main()
