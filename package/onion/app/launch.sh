#!/bin/sh
# RetroSync in Onion's Apps menu. Texts are shown by Onion's infoPanel.
here=$(cd "${0%/*}" && pwd) || exit 1
panel=/mnt/SDCARD/.tmp_update/bin/infoPanel
wifi='Settings > Wi-Fi'

show() {
    hide
    LD_LIBRARY_PATH=/lib:/config/lib:/mnt/SDCARD/miyoo/lib:/mnt/SDCARD/.tmp_update/lib:/mnt/SDCARD/.tmp_update/lib/parasyte \
        "$panel" --title RetroSync --message "$1" --persistent >/dev/null 2>&1 &
    panel_pid=$!
}

hide() {
    [ -n "$panel_pid" ] || return 0
    touch /tmp/dismiss_info_panel
    wait "$panel_pid"
    rm -f /tmp/dismiss_info_panel
    panel_pid=
}

wifi_off() {
    [ "$(/customer/app/jsonval wifi 2>/dev/null)" = 0 ]
}

# shellcheck source=package/common/app.sh
. "$here/app.sh"
app
