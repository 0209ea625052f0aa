/* findings.h - what `yardmaster ipc doctor` has to say: one table of everything it can find, and the list of a run. */
#ifndef YM_RUNTIME_COMMANDS_FINDINGS_H
#define YM_RUNTIME_COMMANDS_FINDINGS_H

#include <stddef.h>
#include <stdio.h>

#include "../json.h"

#define SEVERITY_MAP(X)                                                                                                \
	X(OK, "ok")                                                                                                    \
	X(NOTE, "note")                                                                                                \
	X(WARNING, "warning")                                                                                          \
	X(PROBLEM, "problem")

enum severity {
#define X(name, word) SEVERITY_##name,
	SEVERITY_MAP(X)
#undef X
};

/* Name, code for programs, severity, why it matters, what to do. The command of a finding goes behind the last. */
#define FINDING_MAP(X)                                                                                                 \
	X(GROUP_HEALTHY, "group-healthy", OK, "", "")                                                                  \
	X(GROUP_ABANDONED, "group-abandoned", WARNING,                                                                 \
	  "all its participants were killed and no guardian cleared up: the objects only take up memory and ids",      \
	  "the next start takes them over, jobs and all; or clear up")                                                 \
	X(GROUP_HALF_MADE, "group-half-made", WARNING,                                                                 \
	  "who made or removed it was killed on the way; nobody can use it as it is",                                  \
	  "the next start repairs it; or clear up")                                                                    \
	X(GROUP_UNREADABLE, "group-unreadable", NOTE, "it belongs to another user, so its state cannot be read",       \
	  "ask again as that user or as root")                                                                         \
	X(SET_REMOVED, "set-removed", WARNING,                                                                         \
	  "somebody removed the semaphore set by hand; its other objects are still there, but nobody works with them", \
	  "the next start saves what is in them; or clear up")                                                         \
	X(SET_REMOVED_LIVE, "set-removed-live", PROBLEM,                                                               \
	  "somebody removed the semaphore set while processes work with the group: nobody can join or leave it",       \
	  "the processes notice it and end by themselves, if they are Yardmaster's; end those that do not")            \
	X(REGISTRY_REMOVED, "registry-removed", PROBLEM,                                                               \
	  "somebody removed the list of the group's objects: nobody can join, and what remains has to be removed by "  \
	  "hand",                                                                                                      \
	  "stop what runs in it, then clear up; start again")                                                          \
	X(OBJECT_GONE, "object-gone", PROBLEM,                                                                         \
	  "somebody removed it by hand, or logind did (RemoveIPC): who needs it fails",                                \
	  "Yardmaster's master makes queues and limits again; for anything else stop the group and start it again")    \
	X(OBJECT_UNREGISTERED, "object-unregistered", WARNING,                                                         \
	  "its key is that of a file in the group's directory, but it is not in the group's list: nobody will remove " \
	  "it",                                                                                                        \
	  "if no script made it on purpose, remove it")                                                                \
	X(STRAY_SEGMENT, "stray-segment", WARNING,                                                                     \
	  "a group made it, but the group or its list was removed by hand: nobody will remove it",                     \
	  "remove it, if nothing in it is needed any more")                                                            \
	X(GROUP_SHAPE, "set-like-group", NOTE,                                                                         \
	  "it looks like the set of a group, without a list of objects: being made right now, or left by a process "   \
	  "that was killed; or it is another program's",                                                               \
	  "if it stays: clear up by naming the instance, so that its key file can be compared")                        \
	X(MEMBER_DEAD, "participant-dead", WARNING,                                                                    \
	  "it was killed, and no master or leader is there to clear up what it was doing: its slot stays taken",       \
	  "start the master; it puts the job back into the queue")                                                     \
	X(LOCK_STUCK, "lock-stuck", PROBLEM, "who holds the group's lock does not go on: nobody can join or leave",    \
	  "let it go on, or kill it: the kernel then takes the lock back")                                             \
	X(LOCK_HELD, "lock-held", NOTE, "whoever joins or leaves waits; usually that takes less than a millisecond",   \
	  "look what the process does")                                                                                \
	X(GUARDIAN_DEAD, "guardian-dead", WARNING,                                                                     \
	  "the group's guardian was killed: should all participants be killed, too, their objects stay behind",        \
	  "a master starts another within a second; without a master start one")                                       \
	X(GUARDIAN_NONE, "guardian-none", NOTE,                                                                        \
	  "the group has no guardian: should all its participants be killed, their objects wait for the next join",    \
	  "its program can ask for one (ym_group_guardian)")                                                           \
	X(SEGMENT_REMOVED, "segment-removed", NOTE,                                                                    \
	  "it was removed, but its memory stays in use until the last process lets go of it",                          \
	  "end these processes if it is not wanted")                                                                   \
	X(SEMAPHORE_UNUSED, "semaphores-unused", NOTE,                                                                 \
	  "sets of PHP's kind that nobody has open: PHP never removes them, and they add up to the limit",             \
	  "remove those that are PHP's; it makes them again")                                                          \
	X(SEMAPHORE_STUCK, "semaphore-stuck", PROBLEM,                                                                 \
	  "its inner lock (SETVAL) is held by a process that does not go on: every sem_get() on it hangs",             \
	  "let it go on or kill it; without such a process remove the set")                                            \
	X(LIMIT_NEAR, "limit-near", WARNING,                                                                           \
	  "when it is reached, making objects fails with \"No space left on device\"",                                 \
	  "remove what is not needed, or raise the sysctl")                                                            \
	X(LIMIT_REACHED, "limit-reached", PROBLEM, "making more fails with \"No space left on device\"",               \
	  "remove what is not needed, or raise the sysctl")                                                            \
	X(RMID_FORCED, "rmid-forced", WARNING,                                                                         \
	  "kernel.shm_rmid_forced is 1: segments die with their last process, so when all processes are killed the "   \
	  "job table is gone before its unfinished jobs can be saved",                                                 \
	  "switch it off, unless a container needs it")                                                                \
	X(REMOVE_IPC, "remove-ipc", WARNING,                                                                           \
	  "logind removes all IPC objects of a user who is not a system user when his last session ends, running or "  \
	  "not",                                                                                                       \
	  "run as a system user or root, or set RemoveIPC=no in /etc/systemd/logind.conf and restart systemd-logind")  \
	X(NAMESPACE_OWN, "namespace-own", NOTE,                                                                        \
	  "this is not the IPC namespace of process 1 (a container, or a unit with PrivateIPC=yes): processes "        \
	  "outside "                                                                                                   \
	  "do not see these objects, nor do we see theirs",                                                            \
	  "run the commands inside, where the instance runs")

enum finding_code {
#define X(name, code, severity, why, advice) FINDING_##name,
	FINDING_MAP(X)
#undef X
};

#define FINDING_WHAT_MAX    384
#define FINDING_COMMAND_MAX 320

struct finding {
	enum finding_code code;
	char what[FINDING_WHAT_MAX];
	char command[FINDING_COMMAND_MAX]; /* may be empty */
};

struct findings {
	struct finding *list;
	size_t count;
	bool full; /* out of memory: some are missing */
};

/* `command` may be NULL. */
void findings_add(struct findings *findings, enum finding_code code, const char *command, const char *what, ...)
    __attribute__((format(printf, 4, 5)));
void findings_free(struct findings *findings);

enum severity findings_worst(const struct findings *findings);
const char *severity_word(enum severity severity);

/* The worst ones last, where people look. */
void findings_print(const struct findings *findings, FILE *to);
void findings_json(const struct findings *findings, struct json *json);

#endif
