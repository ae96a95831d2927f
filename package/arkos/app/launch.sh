#!/bin/sh
# RetroSync on ArkOS and dArkOS, as root: the boot service is the system's. Texts are printed on the console.
[ "$(id -u)" = 0 ] || exec sudo -n sh "$0"
here=$(cd "${0%/*}" && pwd) || exit 1
# Those of the user who plays, not root's.
export HOME=/home/ark
wifi='Options > Wi-Fi'
screen=/dev/tty1

# shellcheck source=package/common/app.sh
. "$here/app.sh"
app
