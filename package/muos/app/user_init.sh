#!/bin/sh
# muOS runs the scripts in `init` only if a setting says so: user_init.sh on|off|is. What we switched on, we switch off again,
# unless another script needs it by then.
here=$(cd "${0%/*}" && pwd) || exit 1
for setting in /opt/muos/config/settings/advanced/user_init /run/muos/global/settings/advanced/user_init; do
    [ -f "$setting" ] || continue
    case $1 in
        on)
            [ "$(cat "$setting")" = 1 ] && continue
            printf 1 >"$setting" && touch "$here/user_init.ours"
            ;;
        is) [ "$(cat "$setting")" = 1 ] || exit 1 ;;
        off)
            set -- off /run/muos/storage/init/*.sh
            [ -f "$here/user_init.ours" ] && [ "$2" = /run/muos/storage/init/retrosync.sh ] && [ $# = 2 ] && printf 0 >"$setting"
            ;;
    esac
done
[ "$1" != off ] || rm -f "$here/user_init.ours"
exit 0
