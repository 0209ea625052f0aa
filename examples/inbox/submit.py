#!/usr/bin/python3
"""submit.py DIRECTORY POOL PAYLOAD [--wait] - one job by one message, with sysv_ipc and nothing else."""
import json
import os
import sys

import sysv_ipc


def main():
    if len(sys.argv) < 4:
        sys.exit("usage: submit.py DIRECTORY POOL PAYLOAD [--wait]")
    directory, pool, payload = sys.argv[1:4]
    try:
        # glibc's ftok(); the package warns that keys may clash, which Yardmaster sees to for its own.
        inbox = sysv_ipc.MessageQueue(sysv_ipc.ftok(f"{directory}/inbox.{pool}", ord("y"), True))
    except (OSError, sysv_ipc.ExistentialError):
        print(f"there is no inbox of pool {pool} in {directory}", file=sys.stderr)
        return 3
    job = {"payload": payload, "tag": "from Python"}
    if "--wait" not in sys.argv:
        # Without options the payload alone would do in place of the JSON.
        inbox.send(json.dumps(job))
        return 0

    # A queue of our own for the answer; the package finds a free key.
    answers = sysv_ipc.MessageQueue(None, sysv_ipc.IPC_CREX, max_message_size=65536)
    try:
        inbox.send(json.dumps({**job, "reply": answers.key, "reply_type": os.getpid()}))
        answer = json.loads(answers.receive(type=os.getpid())[0])
    finally:
        answers.remove()
    done = answer["state"] == "done"
    print(answer["result"] if done else f"{answer['state']}: {answer['error']}\n", end="")
    return 0 if done else 1


sys.exit(main())
