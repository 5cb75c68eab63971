"""What Python's library has no word for: processes that die with this one, processor time, queue lengths."""

import array
import contextlib
import ctypes
import fcntl
import os
import signal
import subprocess
import termios
import time

LIBC = ctypes.CDLL(None, use_errno=True)
PR_SET_PDEATHSIG = 1
SYS_PIDFD_GETFD = 438  # the same number on every architecture
FANOTIFY_BYTES = 24  # FIONREAD of a fanotify group: as many for each waiting event, whatever its size


def processors():
    """One processor for what is caused, one for who watches; the same one where there is no second."""
    allowed = sorted(os.sched_getaffinity(0))
    return {allowed[0]}, {allowed[-1]}


def started(command, on, **options):
    """Starts a process pinned to the processors `on`, which the kernel ends should this one be killed. It is in a
    process group of its own: Ctrl-C is for this one, which ends the others in order."""
    def before_exec():
        LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        os.sched_setaffinity(0, on)
    return subprocess.Popen([str(part) for part in command], preexec_fn=before_exec, process_group=0,
                            **options)


def ended(process, number=signal.SIGTERM, timeout=60):
    """Ends a process and returns what else it printed."""
    process.send_signal(number)
    try:
        out, _ = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        raise SystemExit(f"capacity: {process.args[0]} did not end within {timeout} s")
    return out


def processor_seconds(pid):
    """User and system time of a process, to the nanosecond, those of its ended threads included."""
    return time.clock_gettime(~pid << 3 | 2)  # the kernel's MAKE_PROCESS_CPUCLOCK(pid, CPUCLOCK_SCHED)


def memory(pid, name):
    """VmRSS or VmHWM in bytes."""
    with open(f"/proc/{pid}/status") as status:
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith(name + ":"))


def forget_peak(pid):
    """Sets VmHWM to VmRSS."""
    with open(f"/proc/{pid}/clear_refs", "w") as file:
        file.write("5")


def switches(pid):
    """How often the process's threads went to sleep or were put aside."""
    total = 0
    for thread in os.listdir(f"/proc/{pid}/task"):
        # A thread may end meanwhile.
        with contextlib.suppress(FileNotFoundError, ProcessLookupError), open(f"/proc/{pid}/task/{thread}/status") as status:
            total += sum(int(line.split()[1]) for line in status if "voluntary_ctxt_switches" in line)
    return total


class FanotifyQueues:
    """The fanotify queues of another process: copies of its descriptors, which can be asked how much waits."""

    def __init__(self, pid):
        folder = f"/proc/{pid}/fd"
        handle = os.pidfd_open(pid)
        self.copies = [LIBC.syscall(SYS_PIDFD_GETFD, handle, int(number), 0) for number in os.listdir(folder)
                       if self.is_queue(f"{folder}/{number}")]
        os.close(handle)
        if not self.copies or min(self.copies) < 0:
            raise SystemExit("capacity: the fanotify groups of the watcher cannot be looked at")

    @staticmethod
    def is_queue(path):
        """Whether a descriptor is one; of those that the watcher closes while they are looked through, none is."""
        with contextlib.suppress(FileNotFoundError):
            return os.readlink(path) == "anon_inode:[fanotify]"
        return False

    def waiting(self):
        """Events in the queues. The kernel walks the queue for it: not to be asked without a pause."""
        length = array.array("i", [0])
        total = 0
        for copy in self.copies:
            fcntl.ioctl(copy, termios.FIONREAD, length)
            total += length[0] // FANOTIFY_BYTES
        return total

    def close(self):
        for copy in self.copies:
            os.close(copy)
        self.copies = []
