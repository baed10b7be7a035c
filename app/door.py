"""Who is let in: passwords and tokens are compared with what the users' files say."""

import asyncio
import contextlib
import secrets
import time
from concurrent.futures import ThreadPoolExecutor
from hashlib import blake2b

from app.accounts import AccountFiles, Accounts
from app.callers import ANONYMOUS, Caller
from app.credentials import Bearer, Password, credentials
from app.errors import TooManyTriesError, UnauthorizedError
from app.tries import Pace, Tries
from config.passwords import NOBODYS, matches_hash, matches_plain
from config.tokens import digest_of

# From one address as one user: ten wrong passwords, then ten a minute. As anybody: more.
PACE_AS_A_USER = Pace(burst=10, seconds=6)
PACE_FROM_AN_ADDRESS = Pace(burst=100, seconds=1)
HASHES_AT_ONCE = 2  # each takes a core and 19 MiB, or whatever the users file's hashes ask for
MOST_WAITING = 64  # for a hash; with more the answer would take longer than clients wait


class _Memory:
    """What is remembered of one state of the files: who had a right or a wrong password."""

    def __init__(self, accounts: Accounts) -> None:
        self.accounts = accounts
        self.verified: dict[bytes, Caller] = {}
        self.verifying: dict[tuple[bytes, str], asyncio.Task[Caller]] = {}
        self.tries_as = Tries(PACE_AS_A_USER)
        self.tries_from = Tries(PACE_FROM_AN_ADDRESS)

    def tried(self, name: str, address: str) -> None:
        """Count a try as a failure, until it is known to be none."""
        self.tries_as.count((address, name))
        self.tries_from.count(address)

    def was_right(self, name: str, address: str, digest: bytes) -> Caller:
        """Uncount the try and remember the credentials of this digest."""
        self.tries_as.forgive((address, name))
        self.tries_from.take_back(address)
        self.verified[digest] = self.accounts.caller(name)
        return self.verified[digest]


class Door:
    """Lets callers in, or not.

    A password that was right is known again by a digest, so that only its first use costs a hash;
    the digest's key lives and dies with this process.
    """

    def __init__(self, files: AccountFiles) -> None:
        self._files = files
        self._key = secrets.token_bytes(32)
        self._threads = ThreadPoolExecutor(HASHES_AT_ONCE, "password")
        self._memory = _Memory(files.accounts)

    async def caller(self, authorization: bytes | None, address: str = "") -> Caller:
        """Who sends an Authorization header from ``address``.

        Raises:
            UnauthorizedError: credentials are asked for, and these are none or wrong.
            TooManyTriesError: they were wrong too often: these were not even looked at.
        """
        known = self.known(authorization, address)
        return known or await self._verified(authorization or b"", address)

    def known(self, authorization: bytes | None, address: str = "") -> Caller | None:
        """As :meth:`caller`, but None where a password has to be looked at first.

        Most requests are answered at once so: a coroutine costs each of their steps a little.
        """
        accounts = self._files.accounts
        if accounts.everybody_may:
            return ANONYMOUS
        if authorization is None or accounts.locked:
            raise UnauthorizedError
        if accounts is not self._memory.accounts:
            self._memory = _Memory(accounts)
        return self._remembered(authorization, address)

    def claimed(self, authorization: bytes) -> str:
        """Which user a client says to be, if there is one: it may have sent anything as a name."""
        with contextlib.suppress(UnauthorizedError):
            shown = credentials(authorization)
            if isinstance(shown, Password) and shown.name in self._files.accounts.users:
                return shown.name
        return ""

    def _remembered(self, authorization: bytes, address: str) -> Caller | None:
        memory = self._memory
        if (known := memory.verified.get(self._digest(authorization))) is not None:
            # Users are let in from where somebody guesses others' passwords, but not their own:
            # the answer would tell which one is right.
            _wait(memory.tries_as, (address, known.name))
            return known
        shown = credentials(authorization)
        return _holder(memory, shown, address) if isinstance(shown, Bearer) else None

    async def _verified(self, authorization: bytes, address: str) -> Caller:
        shown = credentials(authorization)
        assert isinstance(shown, Password)
        _wait(self._memory.tries_as, (address, shown.name))
        digest = self._digest(authorization)
        return await self._verified_once(self._memory, shown, address, digest)

    def _digest(self, authorization: bytes) -> bytes:
        return blake2b(authorization, key=self._key, digest_size=16).digest()

    async def _verified_once(
        self, memory: _Memory, shown: Password, address: str, digest: bytes
    ) -> Caller:
        """Of many requests at once with the same credentials only the first is looked at."""
        verifying = memory.verifying.get((digest, address))
        if verifying is None:
            _wait(memory.tries_from, address)
            if len(memory.verifying) >= MOST_WAITING:
                raise TooManyTriesError(1)
            memory.tried(shown.name, address)  # at once, for others try while it is looked at
            verifying = asyncio.create_task(self._verify(memory, shown, address, digest))
            verifying.add_done_callback(_heard)
            memory.verifying[digest, address] = verifying
        return await asyncio.shield(verifying)  # a client that leaves takes nobody along

    async def _verify(
        self, memory: _Memory, shown: Password, address: str, digest: bytes
    ) -> Caller:
        try:
            if not await self._matches(memory.accounts, shown):
                raise UnauthorizedError
        finally:
            del memory.verifying[digest, address]
        return memory.was_right(shown.name, address, digest)

    async def _matches(self, accounts: Accounts, shown: Password) -> bool:
        """Whether the password is right; takes the same time whoever the user is, or is not."""
        user = accounts.users.get(shown.name)
        is_plain = user is None or user.is_plain
        is_right = matches_plain(user.password if user and is_plain else "\0", shown.password)
        is_right &= user is not None and is_plain
        if not accounts.has_hashes:
            return is_right
        stored = user.password if user and not is_plain else NOBODYS
        loop = asyncio.get_running_loop()
        hash_is_right = await loop.run_in_executor(
            self._threads, matches_hash, stored, shown.password
        )
        return is_right or (not is_plain and hash_is_right)


def _holder(memory: _Memory, shown: Bearer, address: str) -> Caller:
    """Whose token it is."""
    caller = memory.accounts.bearer(digest_of(shown.token), time.time())
    if caller is not None:
        return caller
    _wait(memory.tries_from, address)
    memory.tries_from.count(address)
    raise UnauthorizedError


def _wait(tries: Tries, key: object) -> None:
    if (seconds := tries.wait_seconds(key)) > 0:
        raise TooManyTriesError(seconds)


def _heard(verifying: "asyncio.Task[Caller]") -> None:
    """Look at how it ended, should nobody wait for it any more."""
    with contextlib.suppress(asyncio.CancelledError):
        verifying.exception()
