#!/bin/sh
# RetroSync among the apps of TrimUI's own system. Texts are shown by its own tool.
here=$(cd "${0%/*}" && pwd) || exit 1
wifi='Settings > Wi-Fi'

show() {
    mkdir -p /tmp/trimui_osd
    # A text in JSON: no line ends, and what would end it escaped.
    text=$(printf '%s' "$1" | tr '\n' ' ' | sed 's/[\\"]/\\&/g')
    printf '{"type":0,"size":24,"duration":8000,"x":40,"y":40,"message":"%s","icon":""}\n' "$text" >/tmp/trimui_osd/osd_toast_msg
}

wifi_off() {
    [ "$(/usr/trimui/bin/systemval wifi 2>/dev/null)" = 0 ]
}

# shellcheck source=package/common/app.sh
. "$here/app.sh"
app
