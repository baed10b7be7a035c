"""What every node agrees on: settings, the task registry, logging, the age of files."""
