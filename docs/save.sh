#!/bin/sh
# Push and pull one save with a RetroSync server, for a firmware without the retrosync program. Plain sh of busybox, sha256sum,
# od, sed, and curl or wget (busybox's wget too; to push with that one it takes nc, and the server on plain HTTP).
#
#   save.sh pair  http://nas:8377 WXRT-4KQM "My handheld"     a code made on the dashboard, under "Pair a device"
#   save.sh pull  gb/sram/Tetris /mnt/SDCARD/Saves/Tetris.srm  before the game starts
#   save.sh push  gb/sram/Tetris /mnt/SDCARD/Saves/Tetris.srm  after it ended
#   save.sh heads gb/sram/Tetris                               two lines are a question: answer it on the dashboard
#
# What the file held last is remembered in ~/.retrosync-sh (or $RETROSYNC_STATE): it is the parent of what is pushed, so the server
# sees what this device had not seen, and keeps both. pull never writes over a file that changed since; it says so and ends with 3.
# A server that signs its own certificate: pair with RETROSYNC_PIN="…" before the line, the key that it prints at its start and
# shows under "Pair a device" (it takes curl and base64); from then on no other key is trusted.
# What is not answered within 60 s ($RETROSYNC_WAIT_S) has failed: call it again.
# The file must be the bare battery save, as RetroArch writes it without compression, of at most 1 MiB.

set -eu
umask 077
state=${RETROSYNC_STATE:-$HOME/.retrosync-sh}
temp=$state/temp.$$
wait_s=${RETROSYNC_WAIT_S:-60}
trap 'rm -rf "$temp"' EXIT

fail() { echo "save.sh: $1" >&2; exit "${2:-1}"; }
hash() { sha256sum "$1" | cut -d ' ' -f 1; }
random() { od -An -tx1 -N "$1" /dev/urandom | tr -d ' \n'; }

# A text within JSON.
quoted() { printf '%s' "$1" | sed 's/\\/\\\\/g; s/"/\\"/g'; }

# A text after ? in an address.
escaped() {
    printf '%s' "$1" | od -An -v -tx1 | tr -d '\n' | sed 's/ /%/g'
}

# A key of 64 hex digits, as the server shows it, in base64, as curl takes it.
in_base64() {
    digits=$(printf %s "$1" | tr -cd '0-9a-fA-F')
    [ "${#digits}" -eq 64 ] || fail "RETROSYNC_PIN is a key of 64 hex digits" 2
    for byte in $(printf %s "$digits" | sed 's/../& /g'); do
        # shellcheck disable=SC2059
        printf "\\$(printf %03o "0x$byte")"
    done | base64 | tr -d '\n'
}

# With a pin, curl trusts the key and nothing else: not the names and dates that a certificate of the server's own has.
by_curl() { curl -fsS -m "$wait_s" ${pin:+-k --pinnedpubkey "sha256//$pin"} -H "Authorization: Bearer $token" "$@"; }

is_busybox() { wget --help 2>&1 | grep -q BusyBox; }

# within COMMAND…, which reads 3: ended with 124 when it takes too long. Not every nc bounds itself, and a busybox's wget with -T
# may crash.
within() {
    "$@" <&3 3<&- &
    waited_s=0
    while kill -0 $! 2>/dev/null; do
        [ $waited_s -lt "$wait_s" ] || { kill $! && return 124; }
        sleep 1
        waited_s=$((waited_s + 1))
    done
    wait $!
}

# GNU wget tells why only if it may talk.
by_wget() {
    wget -nv -t 1 -T "$wait_s" --header "Authorization: Bearer $token" "$@" 2>"$temp/said" && return
    cat "$temp/said" >&2
    return 1
}

# ask OUT PATH [BODY TYPE]: GET, or POST of a file.
ask() {
    if command -v curl >/dev/null; then
        if [ $# -eq 4 ]; then
            by_curl -o "$1" -H "Idempotency-Key: $(random 16)" -H "Content-Type: $4" --data-binary "@$3" "$server/api/v1$2"
        else
            by_curl -o "$1" "$server/api/v1$2"
        fi
    elif [ -n "$pin" ]; then
        fail "a server whose key is pinned takes curl"
    elif ! is_busybox; then
        [ $# -eq 2 ] || set -- "$1" "$2" --header "Idempotency-Key: $(random 16)" --header "Content-Type: $4" --post-file "$3"
        out=$1 path=$2
        shift 2
        by_wget -O "$out" "$@" "$server/api/v1$path"
    elif [ $# -eq 2 ]; then
        within wget -q -O "$1" --header "Authorization: Bearer $token" "$server/api/v1$2" 3</dev/null
    else
        by_hand "$@"
    fi
}

# busybox's wget ends a body at its first zero byte; so the request is written by hand.
by_hand() {
    case $server in http://*) ;; *) fail "to push over https it takes curl or GNU wget" ;; esac
    place=${server#http://}
    port=${place##*:}
    [ "$port" != "$place" ] || port=80
    {
        printf 'POST /api/v1%s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\nContent-Type: %s\r\n' "$2" "$place" "$4"
        printf 'Authorization: Bearer %s\r\nIdempotency-Key: %s\r\n' "$token" "$(random 16)"
        printf 'Content-Length: %s\r\n\r\n' "$(wc -c <"$3" | tr -d ' ')"
        cat "$3"
        # A server may take the end of what is sent for the end of the connection.
        while [ ! -e "$temp/answered" ]; do sleep 1; done
    } | {
        within nc "${place%%:*}" "$port" >"$temp/answer" || [ $? -ne 124 ] || : >"$temp/answer"
        echo >"$temp/answered"
    } 3<&0
    rm "$temp/answered"
    head -n 1 "$temp/answer" | grep -q '^HTTP/1.1 200' || return 1
    sed '1,/^\r*$/d' "$temp/answer" >"$1"
}

# The lines "VERSION DIGEST" of the save's heads.
heads() {
    ask "$temp/history" "/history?limit=200&save=$(escaped "$save")" 2>"$temp/why" || {
        grep -q ' 404' "$temp/why" && return 0
        fail "the server does not answer: $(cat "$temp/why")"
    }
    heads=$(sed 's/.*"heads":\[\([^]]*\)\].*/\1/' "$temp/history" | tr -d '"' | tr ',' ' ')
    sed 's/{"version":"/\n&/g' "$temp/history" >"$temp/versions"
    for head in $heads; do
        digest=$(sed -n "s/^{\"version\":\"$head\".*\"content\":{\"digest\":\"\([0-9a-f]*\)\".*/\1/p" "$temp/versions")
        echo "$head ${digest:-deleted}"
    done
}

# What the file held when it was last pushed or pulled: its version and digest.
remember() { echo "$1 $2" >"$base.new" && sync && mv "$base.new" "$base"; }

pair() {
    server=${1%/}
    token=rst_$(random 32)
    [ -z "${RETROSYNC_PIN:-}" ] || pin=$(in_base64 "$RETROSYNC_PIN")
    printf '{"user_code":"%s","token_sha256":"%s","device_name":"%s","profile":"save.sh","client":"save.sh"}' \
        "$(quoted "$2")" "$(printf %s "$token" | sha256sum | cut -d ' ' -f 1)" "$(quoted "$3")" >"$temp/claim"
    ask "$temp/paired" /pairing/claim "$temp/claim" application/json || fail "the code was not taken"
    printf '%s\n%s\n%s\n%s\n' "$server" "$token" "$(random 16)" "$pin" >"$state/device"
    echo "paired"
}

pull() {
    now=$(heads)
    [ -n "$now" ] || fail "the server has no such save" 4
    [ "$(echo "$now" | wc -l)" -eq 1 ] || fail "two devices changed it: choose on the dashboard" 3
    version=${now% *} digest=${now#* }
    [ "$digest" != deleted ] || fail "it was deleted on another device" 4
    had=$(cut -d ' ' -f 2 "$base" 2>/dev/null || true)
    # Nothing newer than what was here last; what was played since is pushed.
    [ ! -e "$file" ] || [ "$(cut -d ' ' -f 1 "$base" 2>/dev/null || true)" != "$version" ] || return 0
    if [ -e "$file" ]; then
        mine=$(hash "$file")
        if [ "$mine" = "$digest" ]; then
            remember "$version" "$digest"
            return
        fi
        [ "$mine" = "$had" ] || fail "the file has changed since: push it first" 3
    fi
    ask "$file.new" "/content/$digest"
    [ "$(hash "$file.new")" = "$digest" ] || { rm -f "$file.new"; fail "other bytes came than were asked for"; }
    [ ! -e "$file" ] || cp "$file" "$file.bak"
    sync
    mv "$file.new" "$file"
    sync
    remember "$version" "$digest"
    echo "pulled"
}

push() {
    digest=$(hash "$file")
    size=$(wc -c <"$file" | tr -d ' ')
    parent=$(cut -d ' ' -f 1 "$base" 2>/dev/null || true)
    [ "$(cut -d ' ' -f 2 "$base" 2>/dev/null || true)" != "$digest" ] || return 0
    sequence=$(($(cat "$state/sequence" 2>/dev/null || echo 0) + 1))
    # Counted before it is used: one number never names two versions.
    echo "$sequence" >"$state/sequence"
    sync
    printf '{"version":{"save":"%s","content":{"digest":"%s","size_bytes":%s},"parents":[%s],"writer":"%s","sequence":%s,"played":null,"suspect":false,"client":"save.sh","profile":"save.sh","core":null,"note":null},"body":{"length_bytes":%s,"encoding":"identity"}}' \
        "$(quoted "$save")" "$digest" "$size" "${parent:+\"$parent\"}" "$writer" "$sequence" "$size" >"$temp/header"
    length=$(wc -c <"$temp/header")
    {
        # The header's length in four bytes, the lowest first.
        # shellcheck disable=SC2059
        printf "\\$(printf %03o $((length % 256)))\\$(printf %03o $((length / 256)))\\000\\000"
        cat "$temp/header" "$file"
    } >"$temp/frame"
    [ "$(hash "$file")" = "$digest" ] || fail "the file changed while it was read: push it again"
    ask "$temp/stored" /versions "$temp/frame" application/vnd.retrosync.frames || fail "not stored: push it again"
    version=$(sed -n 's/.*"outcome":"[a-z]*","version":"\([0-9a-f]*\)".*/\1/p' "$temp/stored")
    [ -n "$version" ] || fail "not stored: $(cat "$temp/stored")"
    remember "$version" "$digest"
    grep -q '"outcome":"head"' "$temp/stored" || fail "stored; another device changed it too: choose on the dashboard" 3
    echo "pushed"
}

mkdir -p "$temp"
token='' pin=''
case ${1:-} in
pair) [ $# -eq 4 ] || fail "pair URL CODE NAME" 2 ;;
pull | push) [ $# -eq 3 ] || fail "$1 SAVE FILE" 2 ;;
heads) [ $# -eq 2 ] || fail "heads SAVE" 2 ;;
*) fail "pair, pull, push or heads; see the head of this file" 2 ;;
esac
if [ "$1" != pair ]; then
    [ -e "$state/device" ] || fail "pair this device first"
    server=$(sed -n 1p "$state/device") token=$(sed -n 2p "$state/device") writer=$(sed -n 3p "$state/device")
    pin=$(sed -n 4p "$state/device")
    save=$2 file=${3:-}
    base=$state/base.$(printf '%s %s' "$save" "$file" | sha256sum | cut -d ' ' -f 1)
fi
"$@"
