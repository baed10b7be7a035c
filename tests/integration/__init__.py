"""Tests with real queue servers, fork servers, children and workers."""
