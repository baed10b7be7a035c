"""Each script through the Broker, against a real queue server."""
