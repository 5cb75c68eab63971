#!/bin/sh
# Writes shell completions for retinue, as the program itself generates them.
#
# usage: completions.sh RETINUE FOLDER
#   RETINUE  the program, as built
#   FOLDER   where to write; the layout below it is that of /usr/share
set -eu

if [ $# -ne 2 ]; then
    echo "usage: $0 RETINUE FOLDER" >&2
    exit 1
fi
retinue=$1
share=$2

mkdir -p "$share/bash-completion/completions" "$share/zsh/vendor-completions" \
    "$share/fish/vendor_completions.d"
# Sourced, never executed: without the first line that names an interpreter.
"$retinue" --generate-completion-script bash | sed "1{/^#!/d}" > "$share/bash-completion/completions/retinue"
"$retinue" --generate-completion-script zsh > "$share/zsh/vendor-completions/_retinue"
"$retinue" --generate-completion-script fish > "$share/fish/vendor_completions.d/retinue.fish"
