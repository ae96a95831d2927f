#!/bin/sh
# Runs RetroSync's program for this processor: run.sh COMMAND … What boot scripts and game hooks call; so a missing
# program (a card that was half copied) is no error of theirs.
here=$(cd "${0%/*}" && pwd) || exit 0
program=$here/retrosync
if [ ! -f "$program" ]; then
    case $(uname -m) in
        aarch64 | arm64) program=$here/aarch64/retrosync ;;
        arm*) program=$here/armv7/retrosync ;;
        *) program=$here/x86_64/retrosync ;;
    esac
    # A kernel may be of another kind than what runs on it: then the one that runs.
    for other in "$here"/*/retrosync; do
        [ -f "$program" ] && break
        "$other" --version >/dev/null 2>&1 && program=$other
    done
fi
[ -f "$program" ] || exit 0
# Copied over a network, it may have lost its mode; FAT knows none.
[ -x "$program" ] || chmod +x "$program"
exec "$program" "$@"
