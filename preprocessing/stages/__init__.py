"""One stage of preprocessing a file."""
