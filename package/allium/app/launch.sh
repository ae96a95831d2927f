#!/bin/sh
# RetroSync among Allium's apps. Texts are drawn by Allium's `say`, and stay until something else is drawn.
here=$(cd "${0%/*}" && pwd) || exit 1
wifi='Settings > Wi-Fi'

show() {
    /mnt/SDCARD/.allium/bin/say "$1" --bg >/dev/null 2>&1
}

wifi_off() {
    grep -q '"wifi": *false' /mnt/SDCARD/.allium/state/wifi.json 2>/dev/null
}

# shellcheck source=package/common/app.sh
. "$here/app.sh"
app
