"""Starts an echo server for each set of parameters in argv[1], prints their ports, and ends with its standard input."""

import json
import sys
import threading

from websockets.sync.server import serve

from messages import factory


def echo(websocket):
    for message in websocket:
        websocket.send(message)


ports = []
for params in json.loads(sys.argv[1]):
    server = serve(echo, "127.0.0.1", 0, compression=None, extensions=[factory("server", params)])
    ports.append(server.socket.getsockname()[1])
    threading.Thread(target=server.serve_forever, daemon=True).start()
print(json.dumps(ports), flush=True)
sys.stdin.read()
