#!/bin/sh
# RetroSync among the apps of CrossMix-OS. Texts are shown by its own tool.
here=$(cd "${0%/*}" && pwd) || exit 1
wifi='Settings > Wi-Fi'

show() {
    /mnt/SDCARD/System/usr/trimui/scripts/infoscreen.sh -m "$1" >/dev/null 2>&1
}

wifi_off() {
    [ "$(/usr/trimui/bin/systemval wifi 2>/dev/null)" = 0 ]
}

# shellcheck source=package/common/app.sh
. "$here/app.sh"
app
