# shellcheck shell=sh
# Sourced by the launch script of each firmware: what the app in the menu does. The program draws on the screen itself
# (`retrosync screen`); where it cannot, texts are shown by the firmware's own tool.
#
# The launch script sets `here` (the app's folder) and may define
#   show TEXT   shows it until the next one, and returns
#   hide        takes away what `show` left
#   say TEXT    shows it long enough to be read, and returns
#   wifi_off    true if the firmware says that Wi-Fi is switched off
# and `screen`: a terminal to print on, where there is one. Every text is also in message.txt beside this file.

here=${here:?}
wifi=${wifi:-the settings}

# shellcheck source=package/common/settings.sh
. "$here/settings.sh"

retrosync() {
    "$here/run.sh" "$@"
}

command -v show >/dev/null 2>&1 || show() { :; }
command -v hide >/dev/null 2>&1 || hide() { :; }
command -v say >/dev/null 2>&1 || say() { show "$1" && sleep 8; }
command -v wifi_off >/dev/null 2>&1 || wifi_off() { false; }
if [ -n "$screen" ]; then
    show() { printf '\033[H\033[2J\n%s\n' "$1" >"$screen"; }
fi

# Is every network interface down, by the kernel's word? Where it says nothing, no.
is_cut_off() {
    down=1
    for state in /sys/class/net/*/operstate; do
        case $state in */lo/*) continue ;; esac
        case $(cat "$state" 2>/dev/null) in
            up | unknown) return 1 ;;
            ?*) down=0 ;;
        esac
    done
    return $down
}

# tell say|show TEXT
tell() {
    printf '%s\n' "$2" >"$here/message.txt"
    "$1" "$2"
}

is_paired() {
    case $(retrosync status --json 2>/dev/null) in
        *'"paired":true'*) true ;;
        *) false ;;
    esac
}

# Shows each code that the program draws, until somebody has approved one.
pair() {
    out=/tmp/retrosync.pair
    : >$out
    # A daemon that waits for its first pairing has the card.
    retrosync stop >/dev/null 2>&1
    retrosync pair --json </dev/null >$out 2>$out.err &
    pairing=$! shown=''
    while kill -0 $pairing 2>/dev/null; do
        offer=$(sed -n 's/.*"code":"\([^"]*\)".*"url":"\([^"]*\)".*/\1 at \2/p' $out | tail -n 1)
        if [ -n "$offer" ] && [ "$offer" != "$shown" ]; then
            shown=$offer
            tell show "Approve the code ${offer%% *} at ${offer#* at }"
        fi
        sleep 1
    done
    wait $pairing
    case $? in
        0 | 3) status=0 ;;
        *) status=1 why=$(sed -n 's/^error: //p; s/^  cause: //p; s/^  help: //p' $out.err) ;;
    esac
    rm -f $out $out.err
    return $status
}

app() {
    # However it ends, what it showed is gone with it.
    trap hide EXIT
    trap 'exit 1' HUP INT TERM
    [ -e "$here/uninstall" ] && exec sh "$here/uninstall.sh"
    keep_settings
    # It does all that follows by itself. Where nothing here lets it draw, texts and the firmware's own tool do.
    retrosync screen 2>/dev/null && return
    retrosync recover >/dev/null 2>&1
    if ! is_paired; then
        if ! has_settings "$here/retrosync.toml"; then
            tell say "Write your server's address into ${here#@CARD@/}/retrosync.toml on the card, then open RetroSync again."
            return
        fi
        tell show 'Asking the server for a code ...'
        if ! pair; then
            hide
            if wifi_off; then
                why="Wi-Fi is off: switch it on in $wifi."
            elif is_cut_off; then
                why="There is no network: connect in $wifi."
            fi
            tell say "Not paired. $why"
            return
        fi
        hide
        is_paired && tell say 'Paired. Your saves are synced from now on.'
    fi
    retrosync boot keep >/dev/null 2>&1
    why=$(retrosync start 2>&1) || { tell say "Could not start. $why" && return; }
    tell say "$(retrosync status 2>&1)"
}
