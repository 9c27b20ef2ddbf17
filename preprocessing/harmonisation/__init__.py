"""Making centres alike from summaries of each."""
