"""Tests of `deploy` with real queue servers, supervisors and nodes."""
