#!/usr/bin/env bash
# rpcsvc-proto 1.4.3 (rpcgen), libtirpc 1.3.3, rpcbind 1.2.6 (Debian 12): a server that rpcgen makes takes the registration of a
# running one of the same program and version, at its mere start.
#
# The main function that rpcgen writes begins with pmap_unset(program, version), whoever has registered them. rpcbind lets
# any program of the host's root do so. The first server runs on and still answers on its port, but no new client finds it; when the
# second is killed, clients are sent to a port on which nobody listens. So a second instance cannot be tried beside the first.
set -euo pipefail
if [ "${1:-}" != inside ]; then
    folder=$(mktemp -d)
    trap 'rm -rf "$folder"' EXIT
    cd "$folder"
    apt-get download -qq rpcsvc-proto=1.4.3-1 rpcbind=1.2.6-6+b1 libtirpc-dev=1.3.3+ds-1 libtirpc3=1.3.3+ds-1 libwrap0=7.6.q-32 \
        2>/dev/null
    for package in *.deb; do dpkg -x "$package" root; done
    library=$folder/root/usr/lib/x86_64-linux-gnu
    export LD_LIBRARY_PATH=$library:$folder/root/lib/x86_64-linux-gnu
    printf 'program NUMBER { version NUMBER_1 { int GIVE(void) = 1; } = 1; } = 0x20000222;\n' > number.x
    printf '#include "number.h"\nint *give_1_svc(void *a, struct svc_req *r) { static int n; (void)a; (void)r; n++; return &n; }\n' > give.c
    root/usr/bin/rpcgen -C number.x
    gcc -w -Iroot/usr/include/tirpc -o server number_svc.c give.c "$(echo "$folder"/root/*/x86_64-linux-gnu/libtirpc.so.3)"
    cd - > /dev/null
    unshare --net --mount --ipc "$0" inside "$folder"
    exit
fi
cd "$2"
pids=()
trap 'for pid in "${pids[@]}"; do kill -9 "$pid" 2>/dev/null || true; done' EXIT
ip link set lo up
mount -t tmpfs tmpfs /run
mkdir -p /run/rpcbind
root/sbin/rpcbind -f 2>/dev/null & pids+=($!)
for _ in $(seq 100); do [ -S /run/rpcbind.sock ] && break; sleep 0.1; done
ports() { root/usr/sbin/rpcinfo -p 127.0.0.1 2>/dev/null | awk '$1 == 536871458 && $3 == "tcp" { print $4 }'; }
./server & pids+=($!)
for _ in $(seq 100); do [ -n "$(ports)" ] && break; sleep 0.1; done
first=$(ports)
./server & pids+=($!)
for _ in $(seq 100); do [ "$(ports)" != "$first" ] && [ -n "$(ports)" ] && break; sleep 0.1; done
second=$(ports)
kill -9 "${pids[2]}"; wait "${pids[2]}" 2>/dev/null || true; sleep 0.2
left=$(ports)
name() { if [ "$1" = "$first" ]; then echo first; elif [ "$1" = "$second" ]; then echo second; else echo "$1"; fi; }
echo "registered: $(name "$first"), then $(name "$second"), and when that was killed $(name "$left")"
echo "the first still listens: $(grep -ci ":$(printf %04X "$first") 00000000:0000 0A" /proc/net/tcp)"
[ -n "$first" ] && [ "$first" != "$second" ] && [ "$left" = "$second" ]
[ "$(grep -ci ":$(printf %04X "$first") 00000000:0000 0A" /proc/net/tcp)" = 1 ]
