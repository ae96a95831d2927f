#!/bin/sh
# RetroSync on NextUI. Texts are shown by its own show2.elf, which wants a picture with them.
here=$(cd "${0%/*}" && pwd) || exit 1
wifi='Settings > Wi-Fi'

show() {
    hide
    LD_LIBRARY_PATH=/usr/trimui/lib:$LD_LIBRARY_PATH \
        show2.elf --mode=simple "--image=$here/icon.png" "--text=$1" >/dev/null 2>&1 &
    shown_by=$!
}

hide() {
    [ -z "$shown_by" ] || kill "$shown_by" 2>/dev/null
    shown_by=
}

wifi_off() {
    [ "$(nextval.elf wifi 2>/dev/null | tr -dc 0-9)" = 0 ]
}

# shellcheck source=package/common/app.sh
. "$here/app.sh"
app
