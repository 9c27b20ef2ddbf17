"""Public data sets of glioma MRI, one module each, read in the layout that their publishers use."""
