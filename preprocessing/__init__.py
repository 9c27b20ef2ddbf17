"""Image stages, one a file, and population stages fitted from summaries."""
