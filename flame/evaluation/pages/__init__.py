"""Pages that open in a browser offline, model cards and TensorBoard files."""
