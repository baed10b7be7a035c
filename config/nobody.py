"""Who everybody is where there are no users."""

NOBODY = "Anonymous"  #: no user's name: all that was made without users would be his
