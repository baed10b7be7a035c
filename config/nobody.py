"""Names that no user may have, because somebody else acts under them."""

NOBODY = "Anonymous"  #: no user's name: all that was made without users would be his

NODE = "node"  #: a node's own commands

#: Who goes by each: all that he made would be such a user's, and what the user did pass for his.
RESERVED = {
    NOBODY: "what everybody is called where there are no users",
    NODE: "what a node's own commands are called",
}
