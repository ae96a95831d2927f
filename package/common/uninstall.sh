#!/bin/sh
# Takes RetroSync off this card: ends it, removes what starts it, and deletes its folder and its place in the menu. Your
# saves stay. So does the folder .retrosync with the copies it kept, unless the word is `everything`:
#
#     sh uninstall.sh [everything]
#
# Without a keyboard: put an empty file called `uninstall` into this folder and open the app once.
here=$(cd "${0%/*}" && pwd) || exit 1
root=${here%/@FOLDER@}
"$here/run.sh" stop
"$here/run.sh" boot off || exit 1
while read -r file; do
    rm -rf "${root:?}/$file"
    # Of a folder that is empty now, there is nothing to miss.
    rmdir "$root/${file%/*}" 2>/dev/null
done <"$here/menu.files"
if [ "$1" = everything ]; then
    for card in "$root" @CARDS@; do
        rm -rf "${card:?}/.retrosync"
    done
fi
cd / && rm -rf "$here"
