"""A client that never gives up: `client.py ADDRESS PORT [keep]`, until a line comes on standard input.

Each number by a connection of its own, or, to `keep`, by one connection for as long as that lives."""

import errno
import json
import select
import socket
import sys
import time

address = (sys.argv[1], int(sys.argv[2]))
keeps = sys.argv[3:] == ["keep"]
seen = {"numbers": 0, "first": None, "last": 0, "backwards": 0, "refused": 0, "reset": 0, "timeout": 0, "gap": 0.0, "gaps": [],
        "hosts": [], "errors": {}}
last = time.monotonic()
connection = None
while not select.select([sys.stdin], [], [], 0)[0]:
    try:
        if connection is None:
            connection = socket.create_connection(address, 10)
            connection.settimeout(10)
        connection.sendall(b"\n")
        words = connection.recv(200).split()
        if len(words) != 2:
            raise ConnectionResetError
        if not keeps:
            connection.close()
            connection = None
        number, host = int(words[0]), words[1].decode()
        now = time.monotonic()
        seen["gap"] = max(seen["gap"], now - last)
        if host not in seen["hosts"]:
            seen["hosts"].append(host)
        if seen.get("host") not in (None, host):
            # From the last answer of one host to the first of the other.
            seen["gaps"].append(now - last)
        seen["host"] = host
        last = now
        if number <= seen["last"]:
            seen["backwards"] += 1
        seen["last"] = number
        seen["first"] = seen["first"] or number
        seen["numbers"] += 1
        continue
    except ConnectionRefusedError:
        seen["refused"] += 1
        time.sleep(0.001)
    except TimeoutError:
        seen["timeout"] += 1
    except OSError as error:
        seen["reset"] += 1
        name = "closed" if error.errno is None else errno.errorcode.get(error.errno, str(error.errno))
        seen["errors"][name] = seen["errors"].get(name, 0) + 1
    if connection is not None:
        connection.close()
        connection = None
print(json.dumps(seen))
