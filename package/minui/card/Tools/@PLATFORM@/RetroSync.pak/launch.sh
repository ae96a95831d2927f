#!/bin/sh
# RetroSync among MinUI's tools; all of it is in Tools/RetroSync, for every device that this card is put into.
exec sh "${0%/*}/../../RetroSync/launch.sh"
