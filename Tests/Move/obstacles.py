"""A program that has one thing of each kind that rules out its being moved alive.

    obstacles.py KIND FOLDER [PID]

With `none` it has nothing of the kind: it sits and waits. It says `ready` in FOLDER/KIND.ready once it has it."""

import ctypes
import mmap
import os
import pathlib
import select
import signal
import socket
import sys
import time

kind, folder = sys.argv[1], pathlib.Path(sys.argv[2])
libc = ctypes.CDLL(None, use_errno=True)
kept = []


def call(number, *words):
    """A system call that Python has no function for; what is opened stays open."""
    result = libc.syscall(number, *words)
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    kept.append(result)
    return result


def map_file(descriptor, size, protection, flags):
    """mmap(2); Python's own keeps a descriptor open."""
    libc.mmap.restype = ctypes.c_void_p
    libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long]
    if libc.mmap(None, size, protection, flags, descriptor, 0) in (None, ctypes.c_void_p(-1).value):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def none():
    """What CRIU keeps: files that are read, devices of memory, descriptors without a file, a pipe and a socket pair of its own."""
    kept.extend([open("/etc/hostname"), open("/dev/null"), open("/dev/urandom", "rb"), os.pipe(), socket.socketpair(), os.eventfd(0),
                 os.memfd_create("own"), mmap.mmap(-1, 4096)])
    kept.append(call(253))  # inotify_init
    kept.append(socket.create_server(("127.0.0.1", 7001)))


def unix():
    kept.append(socket.socket(socket.AF_UNIX))
    kept[0].connect(str(folder / "outside.sock"))


def pipe():
    """The reading end of a pipe that the process outside has: the FIFO of a shell's pipeline, in short."""
    kept.append(os.open(f"/proc/{sys.argv[3]}/fd/{(folder / 'outside.pipe').read_text()}", os.O_RDONLY))


def uring():
    call(425, 4, (ctypes.c_char * 120)())


def userfaultfd():
    call(323, 1)


def secret():
    call(447, 0)


def landlock():
    call(444, ctypes.byref(ctypes.c_uint64(1)), 8, 0)


def queue():
    # mq_open(2)
    call(240, b"retinue-verdict", os.O_CREAT | os.O_RDWR, 0o600, None)
    libc.syscall(241, b"retinue-verdict")


def mptcp():
    kept.append(socket.socket(socket.AF_INET, socket.SOCK_STREAM, 262))


def vsock():
    kept.append(socket.socket(40, socket.SOCK_STREAM))


def device():
    kept.append(os.open("/dev/net/tun", os.O_RDWR))


def pidfd():
    kept.append(os.pidfd_open(int(sys.argv[3])))


def deleted():
    path = folder / "deleted"
    kept.append(open(path, "w+b"))
    kept[0].truncate(2 << 20)
    path.unlink()
    kept.append(os.open(f"/proc/self/fd/{kept[0].fileno()}", os.O_RDONLY))
    kept.pop(0).close()


def mapped():
    """As `deleted`, of a file that is mapped and not open any more: an executable or a library that was replaced."""
    deleted()
    map_file(kept[0], 2 << 20, mmap.PROT_READ, mmap.MAP_PRIVATE)
    os.close(kept.pop(0))


def shared():
    """A System V segment that the process outside has attached as well."""
    libc.shmat.restype = ctypes.c_void_p
    kept.append(libc.shmat(int((folder / "outside.segment").read_text()), None, 0))


def file():
    """A file that both have mapped, and may write."""
    with open(folder / "outside.file", "r+b") as common:
        map_file(common.fileno(), 4096, mmap.PROT_READ | mmap.PROT_WRITE, mmap.MAP_SHARED)


def connection():
    kept.append(socket.create_connection(("127.0.0.1", 7002)))


def client():
    """A connection to another host."""
    kept.append(socket.create_connection((sys.argv[4], 7006)))


def terminal():
    """A terminal of which the process outside has the other side."""
    kept.append(os.open((folder / "outside.terminal").read_text(), os.O_RDWR | os.O_NOCTTY))


def datagrams():
    kept.append(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
    kept[0].bind(("127.0.0.1", 7003))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.sendto(b"x", ("127.0.0.1", 7003))


def multicast():
    kept.append(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
    kept[0].setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP,
                       socket.inet_aton("239.1.2.3") + socket.inet_aton("127.0.0.1"))


def option():
    kept.append(socket.create_server(("127.0.0.1", 7004)))
    kept[0].setsockopt(socket.IPPROTO_TCP, socket.TCP_DEFER_ACCEPT, 3)
    kept[0].setsockopt(socket.IPPROTO_TCP, 18, 5000)  # TCP_USER_TIMEOUT


def affinity():
    os.sched_setaffinity(0, [min(os.sched_getaffinity(0))])


def priority():
    libc.syscall(251, 1, 0, 3 << 13)  # ioprio_set: idle


def slack():
    libc.prctl(29, 12345, 0, 0, 0)


def personality():
    libc.personality(0x0040000)  # ADDR_NO_RANDOMIZE


def session():
    """Its first process leads no session: who started it leads that, and is another program by now."""
    if os.fork():
        os.execv("/bin/sleep", ["sleep", "1000"])
    while os.readlink(f"/proc/{os.getppid()}/exe") == os.readlink("/proc/self/exe"):
        time.sleep(0.01)


def namespace():
    if not os.fork():
        libc.unshare(0x00020000)  # CLONE_NEWNS
        (folder / f"{kind}.child").write_text(str(os.getpid()))
        signal.pause()


def traced():
    """It is attached to by the one outside, which is asked to."""
    libc.prctl(0x59616d61, ctypes.c_ulong(-1 & (1 << 64) - 1), 0, 0, 0)
    (folder / "outside.trace").write_text(str(os.getpid()))


def written():
    kept.append(open(folder / "written.txt", "w"))
    kept.append(socket.create_server(("127.0.0.1", 7005)))


def outside():
    """The process outside of the group, which has the other end of everything."""
    server = socket.socket(socket.AF_UNIX)
    server.bind(str(folder / "outside.sock"))
    server.listen()
    kept.append(server)
    tcp = socket.create_server(("127.0.0.1", 7002))
    reading, writing = os.pipe()
    (folder / "outside.pipe").write_text(str(reading))
    libc.shmget.restype = ctypes.c_int
    segment = libc.shmget(0, 4096, 0o1666)
    libc.shmat.restype = ctypes.c_void_p
    kept.append(libc.shmat(segment, None, 0))
    # It goes with the last that has it attached.
    (folder / "outside.segment").write_text(str(segment))
    with open(folder / "outside.file", "w+b") as common:
        common.truncate(4096)
        kept.append(mmap.mmap(common.fileno(), 4096))
    master, slave = os.openpty()
    (folder / "outside.terminal").write_text(os.ttyname(slave))
    os.close(slave)
    (folder / f"{kind}.ready").write_text(str(os.getpid()))
    while True:
        for ready in select.select([server, tcp], [], [], 0.05)[0]:
            kept.append(ready.accept()[0])
        asked = folder / "outside.trace"
        if asked.exists():
            # PTRACE_SEIZE: it goes on.
            if libc.ptrace(0x4206, int(asked.read_text()), None, None) == 0:
                (folder / "outside.traced").write_text("")
            asked.unlink()


globals()[kind]()
(folder / f"{kind}.ready").write_text(str(os.getpid()))
while True:
    signal.pause()
