#!/usr/bin/env bash
# rsync 3.5.0 (Debian 3.5.0+ds1-0+deb12u1): --files-from leaves out names that begin with `#` or `;`, also where --from0
# says that the names are separated by NUL, and exits with 0.
#
# The manual describes lines that begin so as comments of the list. A list that another program wrote with NULs, so that
# every name survives, is read by the same rule: two of five files are not copied, and nothing says so. With `./` before
# the name all five are.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
apt-get download -qq rsync=3.5.0+ds1-0+deb12u1 libpopt0=1.19+dfsg-1 2>/dev/null
for package in *.deb; do dpkg -x "$package" root; done
rsync() { LD_LIBRARY_PATH=$(echo "$folder"/root/usr/lib/*-linux-gnu) "$folder/root/usr/bin/rsync" "$@"; }
rsync --version | head -n 1

mkdir from
touch 'from/#one' 'from/;two' 'from/ three' 'from/-four' 'from/five'
names=('#one' ';two' ' three' '-four' 'five')

printf '%s\0' "${names[@]}" | rsync -a --from0 --files-from=- from/ bare/
printf './%s\0' "${names[@]}" | rsync -a --from0 --files-from=- from/ dotted/
echo "names as they are: $(ls -A bare | wc -l) of ${#names[@]} copied, exit status 0"
echo "with ./ before them: $(ls -A dotted | wc -l) of ${#names[@]}"
[ ! -e 'bare/#one' ] && [ ! -e 'bare/;two' ] && [ "$(ls -A bare | wc -l)" = 3 ]
[ -e 'dotted/#one' ] && [ -e 'dotted/;two' ] && [ "$(ls -A dotted | wc -l)" = 5 ]
