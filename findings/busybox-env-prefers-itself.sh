#!/usr/bin/env bash
# BusyBox 1.35.0 (Debian's busybox-static 1:1.35.0-4+deb12u1+b1): its env runs its own command, not the one that PATH has first.
#
# `env NAME` is how scripts ask for the NAME that PATH finds. This build looks among its own commands before, and executes
# /proc/self/exe for those: a wrapper that stands first in PATH is passed over without a word, and so is the system's own
# program. Who watches sees BusyBox executed once more, and no file of that name.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
apt-get download -qq busybox-static=1:1.35.0-4+deb12u1+b1 2>/dev/null
dpkg -x busybox-static*.deb root
busybox=$folder/root/bin/busybox
[ -x "$busybox" ] || busybox=$folder/root/usr/bin/busybox
"$busybox" | head -n 1

mkdir first
printf '#!/bin/sh\necho "from PATH"\n' > first/uname
chmod +x first/uname
coreutils=$(PATH=$folder/first:$PATH env uname)
own=$(PATH=$folder/first:$PATH "$busybox" env uname)
unknown=$(cp first/uname first/finding; PATH=$folder/first:$PATH "$busybox" env finding)
echo "env uname: $coreutils; busybox env uname: $own; busybox env finding: $unknown"
[ "$coreutils" = "from PATH" ] && [ "$own" = Linux ] && [ "$unknown" = "from PATH" ]
