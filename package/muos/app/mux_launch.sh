#!/bin/sh
# HELP: Your saves on all your handhelds
# ICON: retrosync
# GRID: RetroSync

# RetroSync among muOS's applications. Its message tools changed their names several times: the first that is there.
here=$(cd "${0%/*}" && pwd) || exit 1
wifi='Configuration > Wi-Fi Network'

show() {
    hide
    for tool in /opt/muos/frontend/muxmessage /opt/muos/extra/muxstart; do
        if [ -x "$tool" ]; then
            "$tool" 0 "$1" >/dev/null 2>&1 &
            shown_by=$!
            return
        fi
    done
    [ ! -x /opt/muos/script/mux/notify.sh ] || /opt/muos/script/mux/notify.sh info "$1"
}

hide() {
    [ -z "$shown_by" ] || kill "$shown_by" 2>/dev/null
    shown_by=
}

# shellcheck source=package/common/app.sh
. "$here/app.sh"
app
