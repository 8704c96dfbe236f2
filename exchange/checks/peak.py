"""Runs a command, and prints how much of its memory was resident at most, in KiB. (A large process that starts it would be counted too.)"""

import os
import sys

child = os.spawnv(os.P_NOWAIT, sys.argv[1], sys.argv[1:])
_, status, used = os.wait4(child, 0)
print(used.ru_maxrss)
sys.exit(os.waitstatus_to_exitcode(status))
