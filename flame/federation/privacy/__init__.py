"""Differential privacy, secure aggregation, the policy and the audit log of a site."""
