#!/bin/sh
# RetroSync on Koriki, which can show pictures but no texts: they are in App/RetroSync/message.txt.
here=$(cd "${0%/*}" && pwd) || exit 1
wifi='Settings > Wi-Fi'

wifi_off() {
    [ "$(/customer/app/jsonval wifi 2>/dev/null)" = 0 ]
}

# shellcheck source=package/common/app.sh
. "$here/app.sh"
app
