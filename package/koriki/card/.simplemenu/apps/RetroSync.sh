#!/bin/sh
# RetroSync among Koriki's apps; all of it is in App/RetroSync.
exec sh /mnt/SDCARD/App/RetroSync/launch.sh
