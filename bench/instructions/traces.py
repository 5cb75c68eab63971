"""The recorded event streams of the hot paths. Each is made for a number of batches and of events in a batch."""

from stream import (
    CLOSE, CLOSE_WAIT, CLOSE_WRITE, ESTABLISHED, FIN_WAIT1, FIN_WAIT2, LAST_ACK, LISTEN, OPEN, OPEN_EXEC, SYN_RECV,
    SYN_SENT, FANOTIFY, TRACEPOINT, Trace, file_event, identity)

SERVER, CLIENT = 2000, 3000
LARGEST = 2048  # events: the batch that makes room before anything is counted


def files(trace, numbers, pid=SERVER):
    """A frame of opens, every fourth with the end of a writable descriptor merged into it. 64 files a directory."""
    events = []
    for number in numbers:
        mask = OPEN | CLOSE_WRITE if number % 4 == 3 else OPEN
        name = b"some-file-%08d.conf" % number
        trace.tick()
        events.append(file_event(mask, pid, number // 64, name, 1_000_000 + number))
    trace.cycle()
    trace.frame(FANOTIFY, b"".join(events))


def file_trace(last):
    trace = Trace()
    trace.knows_process(SERVER, b"/usr/sbin/serverd")
    for number in range(last // 64 + 1):
        trace.knows_directory(identity(number), b"/srv/application/data/part-%05d" % number)
    return trace


def new_files(batches, size):
    """Every name for the first time: the kind of each is asked for once, and a record made."""
    trace = file_trace(batches * size)
    for batch in range(batches):
        files(trace, range(batch * size, (batch + 1) * size))
    return trace


def known_files(batches, size):
    """Names that all have a record already."""
    trace = file_trace(LARGEST)
    files(trace, range(LARGEST))
    files(trace, range(LARGEST))
    for batch in range(batches):
        files(trace, [(batch * size + number) % LARGEST for number in range(size)])
    return trace


def forks(batches, size):
    """Processes that are made and end, as the children of a server that forks for each request."""
    trace = Trace()
    trace.knows_process(SERVER, b"/usr/sbin/serverd")
    child = 0
    for size in [LARGEST, LARGEST] + [size] * batches:
        trace.cycle()
        for _ in range(size):
            pid = 5000 + child % 20_000
            child += 1
            trace.fork(SERVER, pid)
            trace.exit(pid)
    return trace


def execs(batches, size):
    """Processes that are made, replace their image and end: two opens for execution each, and what was read of the
    new image under /proc."""
    trace = Trace()
    trace.knows_process(SERVER, b"/usr/sbin/serverd")
    trace.knows_directory(identity(1), b"/usr/bin")
    trace.knows_directory(identity(2), b"/usr/lib/x86_64-linux-gnu")
    trace.knows_dynamic(b"/usr/bin/a-tool", b"/lib64/ld-linux-x86-64.so.2")
    trace.knows_plain(b"/usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2")
    child = 0
    for size in [LARGEST, LARGEST] + [size] * batches:
        trace.cycle()
        pids = [5000 + (child + number) % 20_000 for number in range(size)]
        child += size
        events = []
        for pid in pids:
            events.append(file_event(OPEN_EXEC | OPEN, pid, 1, b"a-tool", 10))
            events.append(file_event(OPEN_EXEC | OPEN, pid, 2, b"ld-linux-x86-64.so.2", 11))
        trace.frame(FANOTIFY, b"".join(events))
        for pid in pids:
            trace.fork(SERVER, pid)
            trace.image(pid, trace.exec(pid), b"/usr/bin/a-tool")
            trace.exit(pid)
    return trace


LISTENING = ("127.0.0.1", 8080)
NOWHERE = ("0.0.0.0", 0)


def servers():
    trace = Trace()
    trace.knows_process(SERVER, b"/usr/sbin/serverd")
    trace.knows_process(CLIENT, b"/usr/bin/client")
    trace.cycle()
    trace.frame(TRACEPOINT, trace.transition(SERVER, 0xff00, CLOSE, LISTEN, LISTENING, NOWHERE))
    return trace


def connections(batches, size):
    """Connections of two programs of this host, from connect to close: nine records of the ring and two notices."""
    trace = servers()
    port = 0
    for size in [LARGEST, LARGEST] + [size] * batches:
        trace.cycle()
        records, ends = [], []
        for _ in range(size):
            source = ("127.0.0.1", 10_000 + port % 50_000)
            client, server = 0x10_0000 + 2 * port, 0x10_0001 + 2 * port
            port += 1
            chosen = ("127.0.0.1", 0)
            for pid, socket, old, new, local, remote in [
                (CLIENT, client, CLOSE, SYN_SENT, chosen, LISTENING),
                (CLIENT, server, SYN_RECV, ESTABLISHED, LISTENING, source),
                (CLIENT, client, SYN_SENT, ESTABLISHED, source, LISTENING),
                (CLIENT, client, ESTABLISHED, FIN_WAIT1, source, LISTENING),
                (CLIENT, server, ESTABLISHED, CLOSE_WAIT, LISTENING, source),
                (CLIENT, client, FIN_WAIT1, FIN_WAIT2, source, LISTENING),
                (SERVER, server, CLOSE_WAIT, LAST_ACK, LISTENING, source),
                (SERVER, client, FIN_WAIT2, CLOSE, source, LISTENING),
                (SERVER, server, LAST_ACK, CLOSE, LISTENING, source),
            ]:
                records.append(trace.transition(pid, socket, old, new, local, remote))
            ends.append(source)
        for source in ends:
            trace.closure(source, LISTENING, 100, 5000, 0)
            trace.closure(LISTENING, source, 5000, 101, 0)
        trace.frame(TRACEPOINT, b"".join(records))
    return trace


def closures(batches, size):
    """Connections of which only the end is reported: one notice each, attributed to who waits at the port."""
    trace = servers()
    number = 0
    for size in [LARGEST, LARGEST] + [size] * batches:
        trace.cycle()
        for _ in range(size):
            trace.closure(LISTENING, ("10.0.0.9", 10_000 + number % 50_000), 5000, 101, 0)
            number += 1
    return trace
