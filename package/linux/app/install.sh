#!/bin/sh
# Installs RetroSync for this user, without root: the program into ~/.local/bin, its settings into ~/.config/retrosync, a
# systemd service into ~/.config/systemd/user.
#
#     ./install.sh                  installs, or updates
#     ./install.sh --remove         removes; saves, settings and kept copies stay
#     ./install.sh --remove everything      only the saves stay
#     ./install.sh --steam-deck     installs, asks for the server's address and pairs
here=$(cd "${0%/*}" && pwd) || exit 1
program=$HOME/.local/bin/retrosync
settings=$HOME/.config/retrosync/retrosync.toml
service=$HOME/.config/systemd/user/retrosync.service

systemd() {
    command -v systemctl >/dev/null 2>&1 && systemctl --user "$@"
}

install_it() {
    mkdir -p "${program%/*}" "${settings%/*}" "${service%/*}" || exit 1
    # Beside and renamed: the old one may be running.
    cp "$here/retrosync" "$program.new" && chmod 755 "$program.new" && mv "$program.new" "$program" || exit 1
    [ -f "$settings" ] || cp "$here/retrosync.toml" "$settings"
    cp "$here/retrosync.service" "$service"
    systemd daemon-reload
    systemd enable retrosync.service
    systemd try-restart retrosync.service
    return 0
}

# remove_it [everything]
remove_it() {
    systemd disable --now retrosync.service
    rm -f "$program" "$service"
    systemd daemon-reload
    if [ "$1" = everything ]; then
        rm -rf "${settings%/*}"
        for root in "$HOME" "$HOME/Emulation" "$HOME/retrodeck" /run/media/*/Emulation /run/media/*/*/Emulation /run/media/*/retrodeck; do
            rm -rf "${root:?}/.retrosync"
        done
    fi
    # Of a folder that is empty now, there is nothing to miss.
    for folder in "${program%/*}" "$HOME/.local" "${service%/*}" "$HOME/.config/systemd" "$HOME/.config"; do
        rmdir "$folder" 2>/dev/null
    done
    return 0
}

# A window of the desktop where there is a tool for it, else the terminal.
ask() {
    if command -v kdialog >/dev/null 2>&1; then
        kdialog --title RetroSync --inputbox "$1" 'https://'
    else
        printf '%s ' "$1" >&2 && read -r answer && echo "$answer"
    fi
}

case $1 in
    '') install_it && echo "Installed. Next: $program pair https://your.server, then systemctl --user start retrosync" ;;
    --remove) remove_it "$2" ;;
    --steam-deck)
        install_it
        address=$(ask "Your server's address:") || exit 1
        # Whoever types an address without https means it: it is one of this house, or it is refused.
        case $address in
            http://*) set -- --plain-http true ;;
            *) set -- ;;
        esac
        # Prints the code, and a square for a phone.
        "$program" pair "$address" "$@" && systemd start retrosync.service
        printf 'Press Enter to close. ' && read -r _
        ;;
    *) echo "usage: ./install.sh [--remove [everything]|--steam-deck]" >&2 && exit 2 ;;
esac
