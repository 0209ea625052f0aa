#!/usr/bin/python3
"""inbox_send.py KEY - send some messages to an inbox, as Python does it."""
import json
import sys

import sysv_ipc

queue = sysv_ipc.MessageQueue(int(sys.argv[1], 0))
for message in (b"a string", b"bytes \x01\xff", json.dumps({"payload": "p\u00e4", "tag": "t", "timeout": 5}),
                json.dumps({"payload": [1, 2.5, None], "priority": "idle", "at": "2027-01-15T08:00:00Z"}), b""):
    queue.send(message, type=6)
