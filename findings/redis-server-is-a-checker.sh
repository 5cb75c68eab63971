#!/usr/bin/env bash
# Redis 7.0.15 (Debian 5:7.0.15-1~deb12u10): the file of the running server is redis-check-rdb.
#
# One program is the server and the checker of dumps, by the name under which it is executed. Upstream installs the server
# and links the checker to it; Debian's packages have it the other way round, since the checker belongs to redis-tools:
# /proc/PID/exe of a server, and whatever groups processes by it, says redis-check-rdb, and redis-tools, not
# redis-server, is the package of the server's file.
set -euo pipefail
folder=$(mktemp -d)
trap 'kill "${server:-}" 2>/dev/null || true; rm -rf "$folder"' EXIT
cd "$folder"
apt-get download -qq redis-server=5:7.0.15-1~deb12u10 redis-tools=5:7.0.15-1~deb12u10 liblzf1=3.6-3 libjemalloc2=5.3.0-1 \
    liblua5.1-0=5.1.5-9 lua-cjson=2.1.0+dfsg-2.2 lua-bitop=1.0.2-7 libatomic1=12.2.0-14+deb12u1 2>/dev/null
for package in *.deb; do dpkg -x "$package" root; done
export LD_LIBRARY_PATH=$folder/root/usr/lib/x86_64-linux-gnu
"$folder/root/usr/bin/redis-server" --version
"$folder/root/usr/bin/redis-server" --port 0 --unixsocket "$folder/socket" --save '' --dir "$folder" > log &
server=$!
for _ in $(seq 100); do [ -S socket ] && break; sleep 0.1; done
echo "link: $(readlink root/usr/bin/redis-server); exe: $(basename "$(readlink /proc/$server/exe)"); comm: $(cat /proc/$server/comm)"
[ "$(readlink root/usr/bin/redis-server)" = redis-check-rdb ]
[ "$(basename "$(readlink /proc/$server/exe)")" = redis-check-rdb ]
[ "$(cat /proc/$server/comm)" = redis-server ]
[ ! -e root/usr/bin/redis-check-rdb ] || [ "$(dpkg --fsys-tarfile redis-tools*.deb | tar -t ./usr/bin/redis-check-rdb)" = ./usr/bin/redis-check-rdb ]
