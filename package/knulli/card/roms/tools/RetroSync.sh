#!/bin/sh
# RetroSync in the menu; all of it is in system/retrosync.
exec sh /userdata/system/retrosync/launch.sh
