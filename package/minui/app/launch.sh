#!/bin/sh
# RetroSync on MinUI, which can show no texts by itself: where `minui-presenter` or `say.elf` is on the card they are shown
# by it, and they are always in Tools/RetroSync/message.txt.
here=$(cd "${0%/*}" && pwd) || exit 1
wifi='the Wi-Fi tool of your device'

show() {
    hide
    if command -v minui-presenter >/dev/null 2>&1; then
        minui-presenter --message "$1" --timeout -1 >/dev/null 2>&1 &
        shown_by=$!
    elif command -v say.elf >/dev/null 2>&1; then
        say.elf "$1" >/dev/null 2>&1 &
        shown_by=$!
    fi
}

hide() {
    [ -z "$shown_by" ] || kill "$shown_by" 2>/dev/null
    shown_by=
}

# shellcheck source=package/common/app.sh
. "$here/app.sh"
app
