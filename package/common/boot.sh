#!/bin/sh
# Run at boot by the firmware, which waits for it: finishes what a power cut interrupted (milliseconds), leaves the
# daemon in the background, puts back what an update took away of the other hooks, and returns. Safe to run at any time
# and any number of times.
here=$(cd "${0%/*}" && pwd) || exit 0
# shellcheck source=package/common/settings.sh
. "$here/settings.sh"
keep_settings
"$here/run.sh" start </dev/null >/dev/null 2>&1
"$here/run.sh" boot keep </dev/null >/dev/null 2>&1
exit 0
