"""Public data sets of glioma MRI, each as its publishers lay it out: one a file."""
