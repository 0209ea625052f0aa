#!/usr/bin/python3
"""submit.py DIRECTORY POOL PAYLOAD [--wait|--progress] - one job by one message, with sysv_ipc and nothing else.

--wait: until the answer comes. --progress: the same, with a line for each step of the job; it asks the program
`yardmaster` (or $YARDMASTER) about the job, and inbox.ini beside this file says of which instance.
"""
import json
import os
import subprocess
import sys
import time

import sysv_ipc

LOOK_SECONDS = 0.2
INI = os.path.join(os.path.dirname(os.path.abspath(__file__)), "inbox.ini")


class Onlooker:
    """Prints a line for whatever changes in the job with a tag."""

    def __init__(self, tag):
        self.command = [os.environ.get("YARDMASTER") or "yardmaster", "jobs", "--json", "--tag", tag, "-c", INI]
        self.last = ""

    def look(self):
        """False if there is nobody to ask."""
        try:
            jobs = subprocess.run(self.command, stdout=subprocess.PIPE, check=False)
        except OSError:
            return False
        # Nothing: the master has not taken the message yet.
        job = json.loads(jobs.stdout or b"{}")
        line = job.get("state", "")
        if "done" in job:
            line += f" {job['done']}/{job['total']} {job['unit']}".rstrip()
        if "note" in job:
            line += f" {job['note']}"
        if line not in ("", self.last):
            print(line, flush=True)
            self.last = line
        return jobs.returncode == 0


def wait(answers, onlooker):
    """The answer; None if the instance has gone."""
    while True:
        came = None
        try:
            came = answers.receive(block=onlooker is None, type=os.getpid())[0]
        except sysv_ipc.BusyError:
            pass
        # Once more when the answer is there: for the last step.
        if onlooker and not onlooker.look() and came is None:
            return None
        if came is not None:
            return json.loads(came)
        time.sleep(LOOK_SECONDS)


def main():
    if len(sys.argv) < 4:
        print("usage: submit.py DIRECTORY POOL PAYLOAD [--wait|--progress]", file=sys.stderr)
        return 2
    directory, pool, payload = sys.argv[1:4]
    try:
        # glibc's ftok(); the package warns that keys may clash, which Yardmaster sees to for its own.
        inbox = sysv_ipc.MessageQueue(sysv_ipc.ftok(f"{directory}/inbox.{pool}", ord("y"), True))
    except (OSError, sysv_ipc.ExistentialError):
        print(f"there is no inbox of pool {pool} in {directory}", file=sys.stderr)
        return 3
    # The tag: a name to find the job by, and nobody else's.
    job = {"payload": payload, "tag": f"from-Python-{os.getpid()}-{time.time():.6f}"}
    progress = "--progress" in sys.argv
    if not progress and "--wait" not in sys.argv:
        # Without options the payload alone would do in place of the JSON.
        inbox.send(json.dumps(job))
        return 0

    # A queue of our own for the answer; the package finds a free key.
    answers = sysv_ipc.MessageQueue(None, sysv_ipc.IPC_CREX, max_message_size=65536)
    try:
        inbox.send(json.dumps({**job, "reply": answers.key, "reply_type": os.getpid()}))
        answer = wait(answers, Onlooker(job["tag"]) if progress else None)
    finally:
        answers.remove()
    if answer is None:
        print("cannot look at the job: `yardmaster jobs` failed", file=sys.stderr)
        return 3
    # No result: it is not done, or its result is too long for a message. Not every end has an error.
    end = ": ".join(filter(None, [answer["state"], answer["error"]])) + "\n"
    print(end if answer.get("result") is None else answer["result"], end="")
    return 0 if answer["state"] == "done" else 1


sys.exit(main())
