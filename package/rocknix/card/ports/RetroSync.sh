#!/bin/sh
# RetroSync in the menu; all of it is in the folder RetroSync.
exec sh "${0%/*}/../RetroSync/launch.sh"
