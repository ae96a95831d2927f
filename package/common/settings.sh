# shellcheck shell=sh
# Sourced, with `here` set to the app's folder. An update that is copied over the card brings a fresh retrosync.toml;
# what the person had written into the old one comes back.

here=${here:?}

has_settings() {
    grep -q '^[[:space:]]*[a-z_]' "$1" 2>/dev/null
}

keep_settings() {
    if has_settings "$here/retrosync.toml"; then
        # A card is not written without need.
        [ "$(cat "$here/retrosync.toml")" = "$(cat "$here/settings.kept" 2>/dev/null)" ] ||
            cp "$here/retrosync.toml" "$here/settings.kept"
    elif has_settings "$here/settings.kept"; then
        cp "$here/settings.kept" "$here/retrosync.toml"
    fi
    return 0
}
