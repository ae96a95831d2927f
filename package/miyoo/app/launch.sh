#!/bin/sh
# RetroSync on Miyoo's own system, which shows no texts: they are in App/RetroSync/message.txt.
here=$(cd "${0%/*}" && pwd) || exit 1
wifi='Settings > Wi-Fi'

# On a Mini; on an A30.
wifi_off() {
    [ "$(/customer/app/jsonval wifi 2>/dev/null)" = 0 ] || grep -q '"wifi":[[:space:]]*0' /config/system.json 2>/dev/null
}

# shellcheck source=package/common/app.sh
. "$here/app.sh"
app
