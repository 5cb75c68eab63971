"""Starts a server, lets a client measure it, ends the server: serve.py KIND PORT USER SERVER... -- CLIENT...

KIND names the client, for how to read what it says. Server and client run below this process, so that what watches
it watches them. Prints `OPERATIONS SECONDS`."""

import re
import signal
import socket
import struct
import subprocess
import sys
import time

PATIENCE = 60  # seconds until the server has to answer: under strace it takes its time


def of_wrk(said):
    """Requests, and the time they took: taken from the rate, which is given more exactly than the time is."""
    if re.search(r"(connect|read|write) [1-9]|Non-2xx", said):  # a slow answer (timeout) is no failure
        raise ValueError("failed requests")
    requests = int(re.search(r"(\d+) requests in", said)[1])
    return requests, requests / float(re.search(r"Requests/sec: +([\d.]+)", said)[1])


def of_pgbench(said):
    transactions = int(re.search(r"transactions actually processed: (\d+)", said)[1])
    return transactions, transactions / float(re.search(r"tps = ([\d.]+)", said)[1])


KINDS = {"wrk": of_wrk, "pgbench": of_pgbench, "silent": None}


def accepts(connection):
    """Any server that takes a connection."""
    return True


def serves(connection):
    """PostgreSQL takes connections before it serves them: then it answers the start of a session with an error."""
    session = struct.pack("!I", 196608) + b"user\0postgres\0database\0postgres\0\0"  # protocol 3.0
    connection.sendall(struct.pack("!I", len(session) + 4) + session)
    return connection.recv(1) == b"R"  # AuthenticationOk and its kin


READY = {"pgbench": serves}


def wait_for_answer(server, port, is_ready):
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        if server.poll() is not None:
            sys.exit(f"serve.py: the server ended with status {server.returncode}")
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=1) as connection:
                if is_ready(connection):
                    return
        except OSError:
            pass
        time.sleep(0.02)
    sys.exit("serve.py: the server does not answer")


def main():
    kind, port, user, *rest = sys.argv[1:]
    split = rest.index("--")
    server_command, client_command = rest[:split], rest[split + 1:]
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("serve.py: ended"))  # and with it the server, below
    server = subprocess.Popen(server_command, user=user, group=user, extra_groups=[])
    try:
        wait_for_answer(server, int(port), READY.get(kind, accepts))
        client = subprocess.run(client_command, stdout=subprocess.PIPE, text=True, check=False)
    finally:
        server.terminate()
        server.wait()
    if client.returncode != 0:
        sys.exit(f"serve.py: the client ended with status {client.returncode}: {client.stdout}")
    if KINDS[kind]:
        try:
            operations, seconds = KINDS[kind](client.stdout)
        except (ValueError, TypeError, ZeroDivisionError) as problem:
            sys.exit(f"serve.py: {problem} in what {kind} said: {client.stdout}")
        print(f"{operations} {seconds:.9f}")


if __name__ == "__main__":
    main()
