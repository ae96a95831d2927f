#!/bin/sh
# RetroSync among the ports; all of it is in RetroPie/retrosync.
exec sh "${0%/*}/../../retrosync/launch.sh"
