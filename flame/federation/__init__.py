"""Strategies, sites, coordinator and the engines that run them."""
