#!/bin/sh
# RetroSync among the apps; all of it is in the folder beside.
exec sh "${0%/*}/RetroSync/launch.sh"
