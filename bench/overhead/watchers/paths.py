"""Paths as a watcher of system calls reports them, made those of the files.

A program says /lib/x86_64-linux-gnu/libc.so.6 where the file is /usr/lib/x86_64-linux-gnu/libc.so.6. Whoever reads
such a report resolves links afterwards, so this is done in favour of every watcher that reports what a program said.
"""

import os
from functools import lru_cache


@lru_cache(maxsize=None)
def _folder(path):
    return os.path.realpath(path)


@lru_cache(maxsize=None)
def real(path, folder=None):
    """The path without links; a relative one below `folder`, and as it is where that is not known."""
    if not path.startswith("/"):
        if folder is None:
            return path
        path = f"{folder}/{path}"
    parent, _, name = path.rpartition("/")
    if name in ("", ".", ".."):
        return os.path.realpath(path)
    whole = f"{_folder(parent or '/').rstrip('/')}/{name}"
    return os.path.realpath(whole) if os.path.islink(whole) else whole
