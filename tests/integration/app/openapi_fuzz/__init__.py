"""What Schemathesis is told about our API."""
