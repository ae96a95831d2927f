#!/bin/sh
# RetroSync on ROCKNIX. Texts are printed on the console, which the frontend leaves to what it starts.
here=$(cd "${0%/*}" && pwd) || exit 1
wifi='Main menu > Network settings'
screen=/dev/tty1

# shellcheck source=package/common/app.sh
. "$here/app.sh"
app
