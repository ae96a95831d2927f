#!/bin/sh
# RetroSync on RetroPie. Texts are printed on the console, which the frontend leaves to what it starts.
here=$(cd "${0%/*}" && pwd) || exit 1
wifi='the RetroPie menu'
screen=/dev/tty

# shellcheck source=package/common/app.sh
. "$here/app.sh"
app
