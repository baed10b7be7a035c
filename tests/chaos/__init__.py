"""Faults on purpose: real clusters under load, broken in every way that `make chaos` lists."""
