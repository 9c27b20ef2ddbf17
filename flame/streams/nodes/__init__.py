"""Nodes of a stream in processes of their own, such as hospitals and stations."""
