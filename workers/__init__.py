"""The worker of a node, and the queue it works on."""
