#!/bin/bash
# one.sh FILE FUNCTION - one system test; a master that still runs at its end has to stop in good order.
set -u

here=${BASH_SOURCE[0]%/*}
# shellcheck source=/dev/null
. "$here/lib.sh"
# shellcheck source=/dev/null
. "$1"
"$2"
[[ -z $MASTER ]] || stop_master
