"""The task queues that FastTask is compared with, a file each, run in an environment of their own.

Nothing of FastTask's is imported here, and nothing of these libraries elsewhere: ``__main__`` is
how the rest of the benchmark talks to them.
"""
