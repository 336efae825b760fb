"""What is sent in the tests of compression, and what it is echoed with."""

import json
import random

from websockets.extensions import permessage_deflate


def _items(count):
    users = [{"id": i, "name": f"user {i * 7919}", "tags": ["red", "green"]} for i in range(60)]
    return json.dumps([users] * count)


# Text that compresses, a short one, the first again, bytes that do not compress, a long one, and nothing.
MESSAGES = [_items(1), "short", _items(1), random.Random(4).randbytes(5000), _items(40), "", b""]

PLAIN_BYTES = sum(len(message) for message in MESSAGES)


def factory(role, params):
    """Makes the extension of websockets; `params` are the arguments of its constructor."""
    factories = {
        "client": permessage_deflate.ClientPerMessageDeflateFactory,
        "server": permessage_deflate.ServerPerMessageDeflateFactory,
    }
    return factories[role](**params)
