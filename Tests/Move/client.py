"""A client that never gives up: `client.py ADDRESS PORT`, until a line comes on standard input."""

import json
import select
import socket
import sys
import time

address = (sys.argv[1], int(sys.argv[2]))
seen = {"numbers": 0, "first": None, "last": 0, "backwards": 0, "refused": 0, "reset": 0, "timeout": 0, "gap": 0.0, "hosts": []}
last = time.monotonic()
while not select.select([sys.stdin], [], [], 0)[0]:
    try:
        with socket.create_connection(address, 10) as connection:
            connection.settimeout(10)
            connection.sendall(b"\n")
            words = connection.recv(200).split()
        if len(words) != 2:
            raise ConnectionResetError
        number, host = int(words[0]), words[1].decode()
        now = time.monotonic()
        seen["gap"] = max(seen["gap"], now - last)
        last = now
        if number <= seen["last"]:
            seen["backwards"] += 1
        seen["last"] = number
        seen["first"] = seen["first"] or number
        seen["numbers"] += 1
        if host not in seen["hosts"]:
            seen["hosts"].append(host)
    except ConnectionRefusedError:
        seen["refused"] += 1
        time.sleep(0.001)
    except TimeoutError:
        seen["timeout"] += 1
    except OSError:
        seen["reset"] += 1
        time.sleep(0.001)
print(json.dumps(seen))
