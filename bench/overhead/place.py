"""Where workloads run: private file systems that nobody else uses, and processors apart from the watcher's."""

import os
import subprocess
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

IMAGE_BYTES = 4 << 30  # sparse: only what is written takes memory
INODES = 400_000  # no more, for their tables are written
MEMORY = "/dev/shm"


class Processors:
    """Which processors the workload and the watcher get. On a machine with one, both get it."""

    def __init__(self, available=None):
        every = sorted(os.sched_getaffinity(0) if available is None else available)
        self.every = set(every)
        self.first, self.last = {every[0]}, {every[-1]}

    def workload(self, unpinned=False):
        return self.every if unpinned else self.last

    def watcher(self, unpinned=False):
        return self.every if unpinned else self.first


@contextmanager
def pinned(processors):
    """What is started within inherits these processors."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, processors)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


@contextmanager
def private_folder():
    """A folder on a fresh ext4 file system in memory, so that no disk and no other user is measured. There is one for
    the workloads and one for what the watchers write (tmpfs would not do: fatrace looks at no file system without a
    device). The image has no name once it is mounted, and its loop device goes with the mount."""
    folder = Path(tempfile.mkdtemp(prefix="retinue-overhead-"))
    try:
        file, image = tempfile.mkstemp(prefix="retinue-overhead-", suffix=".ext4", dir=MEMORY)
        try:
            os.truncate(file, IMAGE_BYTES)
            os.close(file)
            # Tables are written now, not by a kernel thread while something is measured.
            subprocess.run(["mkfs.ext4", "-q", "-F", "-N", str(INODES),
                            "-E", "lazy_itable_init=0,lazy_journal_init=0", image], check=True)
            subprocess.run(["mount", "-o", "loop", image, str(folder)], check=True)
        finally:
            os.unlink(image)
        try:
            yield folder
        finally:
            unmount(folder)
    finally:
        folder.rmdir()


def unmount(folder):
    """A workload that was just killed may hold it for a moment; then it is taken off the tree and goes with its
    last user."""
    for _ in range(20):
        if subprocess.run(["umount", str(folder)], stderr=subprocess.DEVNULL).returncode == 0:
            return
        time.sleep(0.1)
    subprocess.run(["umount", "--lazy", str(folder)], check=True)
