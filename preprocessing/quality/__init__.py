"""Quality control: automatic checks of preprocessed days, their report, and reviews by people."""
