#!/bin/sh
# RetroSync among spruce's apps. Texts are shown by spruce's own `display`.
here=$(cd "${0%/*}" && pwd) || exit 1
wifi='Settings > Wi-Fi'

# In a shell of its own: spruce's functions have names like ours.
spruce() {
    (
        # shellcheck source=/dev/null
        . /mnt/SDCARD/spruce/scripts/helperFunctions.sh
        "$@"
    ) >/dev/null 2>&1
}

show() {
    spruce display -t "$1"
}

hide() {
    spruce display_kill
}

# By the switch in its settings, whose file is another on each device.
wifi_off() {
    # shellcheck disable=SC2016 # spruce's variable
    spruce eval 'grep -q "\"wifi\":[[:space:]]*0" "$SYSTEM_JSON"'
}

# shellcheck source=package/common/app.sh
. "$here/app.sh"
app
