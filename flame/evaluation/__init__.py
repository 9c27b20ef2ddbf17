"""Evaluates trained models: metrics, out-of-sample predictions, generalisation and HTML pages."""
