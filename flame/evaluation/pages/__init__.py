"""HTML pages that open offline, model cards and TensorBoard files."""
