#!/usr/bin/env bash
# ss of iproute2 6.1.0 (Debian 6.1.0-3): two abstract Unix sockets with different names are listed under the same one.
#
# An abstract name is any bytes behind a NUL. ss writes each NUL as `@`, the first and every other, and an `@` of the name
# as itself: NUL a NUL b and NUL a @ b both come out as `@a@b`. Whoever joins clients with servers by what ss prints
# joins the two; the inode, or sock_diag itself, tells them apart.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
apt-get download -qq iproute2=6.1.0-3 libbpf1=1:1.1.2-0+deb12u1 2>/dev/null
for package in *.deb; do dpkg -x "$package" root; done
ss=$(find root -name ss -type f | head -n 1)
export LD_LIBRARY_PATH=$folder/root/usr/lib/x86_64-linux-gnu
"$ss" -V

python3 - "$ss" <<'P'
import os, socket, subprocess, sys
mark = b"finding-%d" % os.getpid()
sockets = []
for name in (b"\0" + mark + b"\0b", b"\0" + mark + b"@b"):
    one = socket.socket(socket.AF_UNIX)
    one.bind(name)
    one.listen()
    sockets.append(one)
lines = [line.split() for line in subprocess.run([sys.argv[1], "-xlH"], stdout=subprocess.PIPE).stdout.splitlines() if mark in line]
print("bound: NUL name NUL b, NUL name @ b; listed:", [line[4].decode().replace(mark.decode(), "name") for line in lines])
assert len(lines) == 2 and lines[0][4] == lines[1][4] == b"@" + mark + b"@b"
assert lines[0][5] != lines[1][5]
P
