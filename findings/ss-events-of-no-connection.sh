#!/usr/bin/env bash
# ss of iproute2 6.1.0 (Debian 6.1.0-3), Linux 6.1 to 7.3: `ss -E` reports the end of one accepted connection twice.
#
# Where the packet that completes a handshake and the first one behind it are received on two processors at once, the kernel makes
# a socket for each and throws one away. Its end is reported (SKNLGRP_INET_TCP_DESTROY) like that of the connection's own
# socket, with the same two addresses and ports. Whoever counts connections, or adds up their bytes, by these lines has to
# leave out those that never sent a segment. Needs root and two processors.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
apt-get download -qq iproute2=6.1.0-3 libbpf1=1:1.1.2-0+deb12u1 2>/dev/null
for package in *.deb; do dpkg -x "$package" root; done
ss=$(find root -name ss -type f | head -n 1)
gcc -O2 -pthread -o handshakes "$here/../Tests/Workloads/handshakes/main.c"
uname -r

# In a network namespace of its own, the connections through a TUN device; each carries ten bytes each way.
unshare --net env LD_LIBRARY_PATH="$folder/root/usr/lib/x86_64-linux-gnu" sh -c "
    $ss -V
    stdbuf -oL $ss -E -i -t -n -H > ended &
    reader=\$!
    sleep 1
    ./handshakes 300
    sleep 1
    kill \$reader"
python3 - <<'P'
import collections
lines = open("ended").read().splitlines()
ended = [(lines[at].split()[3:5], lines[at + 1]) for at in range(0, len(lines) - 1, 2)]
# Not the socket that listened.
ended = [(ends, about) for ends, about in ended if not ends[1].endswith(":*")]
times = collections.Counter(tuple(ends) for ends, _ in ended)
silent = [ends for ends, about in ended if "segs_out" not in about]
print(f"300 connections: {len(ended)} sockets ended, {sum(1 for count in times.values() if count == 2)} connections twice")
assert len(times) == 300 and max(times.values()) == 2
assert len(ended) - len(silent) == 300, "each connection has one that sent something"
assert len(silent) > 0 and all("bytes_" not in about and "segs_in:1 " in about for ends, about in ended if "segs_out" not in about)
P
