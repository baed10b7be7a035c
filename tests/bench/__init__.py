"""Benchmarks of a whole node over HTTPS: ``make bench``."""
