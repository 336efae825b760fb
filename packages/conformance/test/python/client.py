"""Talks to the echo server at argv[1], once for each set of parameters in argv[2], and prints a line of JSON for each."""

import json
import sys

from websockets.sync.client import connect

from messages import MESSAGES, PLAIN_BYTES, factory

for params in json.loads(sys.argv[2]):
    extensions = [factory("client", params)]
    with connect(sys.argv[1], compression=None, extensions=extensions, proxy=None, open_timeout=30) as websocket:
        echoes = []
        for message in MESSAGES:
            websocket.send(message)
            echoes.append(websocket.recv(timeout=30))
        # The long one in fragments: websockets compresses each as it comes.
        parts = [MESSAGES[4][i : i + 10_000] for i in range(0, len(MESSAGES[4]), 10_000)]
        websocket.send(iter(parts))
        echoes.append(websocket.recv(timeout=30))
    same = echoes == [*MESSAGES, MESSAGES[4]]
    plain = PLAIN_BYTES + len(MESSAGES[4])
    print(json.dumps({"same": same, "plain": plain, "closed": websocket.close_code}), flush=True)
