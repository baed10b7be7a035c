"""Random UUIDs are what the standard library takes for such."""

import uuid

from config.random_uuid import random_uuid


def test_it_is_of_version_4_and_never_the_same() -> None:
    made = [random_uuid() for _ in range(1000)]

    assert len(set(made)) == 1000
    for text in made:
        known = uuid.UUID(text)
        assert (str(known), known.version, known.variant) == (text, 4, uuid.RFC_4122)
