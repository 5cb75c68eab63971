"""A recorded event stream as the daemon writes and replays it (Sources/Observation/EventTrace), made of the bytes that the kernel
would have sent: fanotify events, datagrams of the proc connector, records of the tracepoint ring, destroy notices."""

import struct

HOST, CYCLE, FANOTIFY, PROCESS, IMAGE, TRACEPOINT, CLOSURE = 1, 2, 3, 5, 6, 7, 8
DIRECTORY_ANSWER, PROCESS_ANSWER, HEAD_ANSWER = 10, 11, 12

# FAN_CLOSE_WRITE, FAN_OPEN, FAN_OPEN_EXEC
CLOSE_WRITE, OPEN, OPEN_EXEC = 0x8, 0x20, 0x1000

# TCP_* in net/tcp_states.h
(ESTABLISHED, SYN_SENT, SYN_RECV, FIN_WAIT1, FIN_WAIT2, _, CLOSE, CLOSE_WAIT, LAST_ACK, LISTEN) = range(1, 11)

SECOND = 1_000_000_000
BOOT = 1_700_000_000 * SECOND  # wall clock when the monotonic clock stood at 0


def string(data):
    return struct.pack("<I", len(data)) + data


def optional(data):
    return b"\0" if data is None else b"\1" + string(data)


class Trace:
    """Frames one behind the other; the clock advances by a microsecond with every event."""

    def __init__(self):
        self.clock = 1000 * SECOND
        self.sequence = 0
        self.frames = [b"retinue-trace/1\n"]
        # TransitionLayout: a version, then eleven offsets and sizes as Linux 6.x has them.
        layout = struct.pack("<B11H", 1, LAYOUT_ID, 8, 16, 20, 24, 26, 28, 30, 2, 40, 56)
        self.frame(HOST, string(b"0" * 32) + string(b"host") + string(b"6.18.44") + string(b"boot")
                   + struct.pack("<i", 999_999) + string(b"0") + struct.pack("<Q", BOOT) + string(layout))

    def frame(self, tag, payload):
        self.frames.append(struct.pack("<BI", tag, len(payload)) + payload)

    def tick(self):
        self.clock += 1000
        return self.clock

    def cycle(self):
        """Begins a batch. Its cutoff lies behind all that it holds, so that nothing waits for the next one."""
        cutoff = self.clock + SECOND
        self.frame(CYCLE, struct.pack("<QQ", cutoff, BOOT + cutoff))

    def bytes(self):
        return b"".join(self.frames)

    # What the daemon would read of the host.

    def knows_directory(self, identity, path):
        self.frame(DIRECTORY_ANSWER, string(identity) + optional(path))

    def knows_process(self, pid, executable):
        facts = struct.pack("<iiQ", pid, 1, 0) + string(executable) + optional(None) + optional(b"a.slice/a.service")
        self.frame(PROCESS_ANSWER, struct.pack("<iB", pid, 1) + facts + struct.pack("<Q", 0))

    def knows_dynamic(self, path, loader):
        self.frame(HEAD_ANSWER, string(path) + b"\1" + string(loader))

    def knows_plain(self, path):
        self.frame(HEAD_ANSWER, string(path) + b"\2")

    def image(self, pid, time, executable):
        self.frame(IMAGE, struct.pack("<iQ", pid, time) + string(executable) + optional(None)
                   + optional(b"a.slice/a.service") + struct.pack("<Q", 0))

    # What the kernel would send.

    def process_event(self, what, *fields):
        """netlink header, struct cn_msg, struct proc_event (40 bytes)."""
        time = self.tick()
        self.sequence += 1
        event = struct.pack("<IIQ", what, 0, time) + struct.pack(f"<{len(fields)}i", *fields)
        event = event.ljust(40, b"\0")
        message = struct.pack("<IIIIHH", 1, 1, self.sequence, 0, len(event), 0) + event
        self.frame(PROCESS, struct.pack("<IHHII", 16 + len(message), 3, 0, self.sequence, 0) + message)
        return time

    def fork(self, parent, child):
        return self.process_event(1, parent, parent, child, child)

    def exec(self, pid):
        return self.process_event(2, pid, pid)

    def exit(self, pid):
        return self.process_event(0x8000_0000, pid, pid, 0, 17)

    def closure(self, local, remote, sent, received, unread):
        """netlink header, struct inet_diag_msg, INET_DIAG_PROTOCOL, INET_DIAG_INFO: 380 bytes as on Linux 6.18."""
        self.sequence += 1
        message = struct.pack("<BBBB", 2, CLOSE, 0, 0) + struct.pack(">HH", local[1], remote[1])
        message += v4(local).ljust(16, b"\0") + v4(remote).ljust(16, b"\0")
        message += struct.pack("<IIIIIIII", 0, self.sequence, 0, 0, unread, 0, 0, 0)
        message += struct.pack("<HHB3x", 5, 10, 6)
        # struct tcp_info: bytes_received at 128, data_segs_in at 152, bytes_sent at 200.
        info = bytearray(280)
        struct.pack_into("<Q", info, 128, received)
        struct.pack_into("<I", info, 152, 1)
        struct.pack_into("<Q", info, 200, sent)
        message += struct.pack("<HH", 4 + len(info), 2) + info
        self.frame(CLOSURE, struct.pack("<IHHII", 16 + len(message), 20, 0, 0, 0) + message)

    def transition(self, pid, socket, old, new, local, remote):
        """A perf sample of sock:inet_sock_set_state; to be put together to one drain of the ring."""
        event = struct.pack("<HBBi", LAYOUT_ID, 0, 0, pid)
        event += struct.pack("<QiiHHHH", socket, old, new, local[1], remote[1], 2, 6)
        event += v4(local) + v4(remote) + mapped(local) + mapped(remote) + bytes(4)
        sample = struct.pack("<iiQI", pid, pid, self.tick(), len(event)) + event
        return struct.pack("<IHH", 9, 0, 8 + len(sample)) + sample


LAYOUT_ID = 1500


def v4(end):
    return bytes(int(part) for part in end[0].split("."))


def mapped(end):
    return bytes(10) + b"\xff\xff" + v4(end)


def identity(number):
    """fsid, then a struct file_handle as ext4 makes it: inode and generation."""
    return struct.pack("<iiIiII", 7, 9, 8, 1, number, 1)


def record(kind, data):
    data += bytes(-len(data) % 4)
    return struct.pack("<BBH", kind, 0, 4 + len(data)) + data


def file_event(mask, pid, directory, name, target):
    """struct fanotify_event_metadata, then the records of parent and name and of the object itself."""
    information = record(2, identity(directory) + name + b"\0") + record(1, identity(target))
    return struct.pack("<IBBHQii", 24 + len(information), 3, 0, 24, mask, -1, pid) + information
