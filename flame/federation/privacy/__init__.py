"""Privacy: differential privacy, secure aggregation, and the policy and audit log of a site."""
