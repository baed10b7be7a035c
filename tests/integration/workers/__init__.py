"""Real fork servers, children and workers."""
