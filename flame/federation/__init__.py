"""Federated training: tasks, strategies, sites, the coordinator and the engines that run them."""
