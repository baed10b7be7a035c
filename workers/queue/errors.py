"""What can go wrong between us and the queue server."""


class QueueError(Exception):
    """Something about the queue server; the message is fit for a log line."""


class QueueUnavailableError(QueueError):
    """The queue server did not answer: it is away, loading, or too slow. Try again later.

    A call that failed this way may or may not have taken effect.
    """


class QueueFullError(QueueUnavailableError):
    """The queue server takes no writes: it is at its memory limit or its disk is full."""


class RefusedError(Exception):
    """What a client asked for cannot be done, whenever it asks; the message tells it why."""


class KeyReusedError(RefusedError):
    """this Idempotency-Key was used before with another body; use a new key for a new job"""

    def __init__(self) -> None:
        super().__init__(self.__doc__)


class TooManyWaitingError(RefusedError):
    """so many of your jobs wait already that no more are taken; see MAX_WAITING_JOBS"""

    def __init__(self) -> None:
        super().__init__(self.__doc__)


class UnreadableLetterError(RefusedError):
    """the parameters of this dead letter are unreadable, so it cannot be replayed"""

    def __init__(self) -> None:
        super().__init__(self.__doc__)
