"""One attempt to reach a counter, made once and not repeated: `attempt.py tcp|udp FROM ADDRESS PORT`.

Says `sent` when the first packet is on its way, then `NUMBER HOST`, or why not."""

import select
import socket
import sys

kind, own, address, port = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])
client = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET,
                       socket.SOCK_STREAM if kind == "tcp" else socket.SOCK_DGRAM)
client.setsockopt(socket.SOL_SOCKET, socket.SO_MARK, 7)
if own != "-":
    client.bind((own, 0))
client.setblocking(False)
client.connect_ex((address, port))
if kind == "udp":
    client.send(b"\n")
print("sent", flush=True)
try:
    if kind == "tcp":
        select.select([], [client], [], 20)
        client.settimeout(5)
        client.sendall(b"\n")
    client.settimeout(20)
    print(client.recv(200).decode().strip(), flush=True)
except OSError as error:
    print(f"{type(error).__name__} {error}", flush=True)
