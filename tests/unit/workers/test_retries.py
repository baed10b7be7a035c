import pytest

from workers.retries import until_it_works


async def test_only_the_failures_that_are_meant_are_tried_again_and_each_is_told() -> None:
    failures = [OSError("first"), OSError("second")]
    told = []

    async def attempt() -> str:
        if failures:
            raise failures.pop(0)
        return "done"

    answer = await until_it_works(attempt, OSError, lambda why: told.append(str(why)))
    assert (answer, told) == ("done", ["first", "second"])

    failures.append(OSError("third"))
    with pytest.raises(OSError, match="third"):
        await until_it_works(attempt, ValueError, lambda why: told.append(str(why)))
    assert told == ["first", "second"]
