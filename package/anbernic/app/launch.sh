#!/bin/sh
# RetroSync on Anbernic's own system, which shows no texts: they are in Roms/APPS/RetroSync/message.txt.
here=$(cd "${0%/*}" && pwd) || exit 1
wifi='Settings > Wi-Fi'

# shellcheck source=package/common/app.sh
. "$here/app.sh"
app
