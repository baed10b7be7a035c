"""What can go wrong between us and the queue server."""


class QueueError(Exception):
    """Something about the queue server; the message is fit for a log line."""


class QueueUnavailableError(QueueError):
    """The queue server did not answer: it is away, loading, or too slow. Try again later.

    A call that failed this way may or may not have taken effect.
    """


class QueueFullError(QueueUnavailableError):
    """The queue server takes no writes: it is at its memory limit or its disk is full."""
