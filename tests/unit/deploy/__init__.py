"""Tests of `deploy` that start nothing."""
