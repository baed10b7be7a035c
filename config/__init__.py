"""What every node agrees on: settings, the task registry, logging, the age of files."""

from config.lazy import load_when_used

# The redis library imports it for the identity providers of clouds. It takes 50 ms and 6 MB of each
# process, most of that cryptography's; this package is the first that a process imports.
load_when_used("jwt")
