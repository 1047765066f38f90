"""The positions of checkpoints, as the host keeps them."""

import json


def kept(position):
    """What the host keeps of a position."""
    return json.dumps(position).encode()


def resumed(cursor):
    """The position that a cursor means; None without one."""
    return None if cursor is None else json.loads(cursor)
