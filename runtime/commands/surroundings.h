/* surroundings.h - what can go wrong around the objects: kernel limits, sysctls, logind, namespaces. */
#ifndef YM_RUNTIME_COMMANDS_SURROUNDINGS_H
#define YM_RUNTIME_COMMANDS_SURROUNDINGS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "../../ipc/survey.h"
#include "../json.h"
#include "findings.h"

/* Name, sysctl, which number in it (from 0), what it limits. */
#define LIMIT_MAP(X)                                                                                                   \
	X(SEMMNI, "kernel.sem", 3, "semaphore sets")                                                                   \
	X(SEMMNS, "kernel.sem", 1, "semaphores in all sets")                                                           \
	X(SEMMSL, "kernel.sem", 0, "semaphores in the largest set")                                                    \
	X(SEMOPM, "kernel.sem", 2, "operations at once (Yardmaster's longest)")                                        \
	X(SHMMNI, "kernel.shmmni", 0, "segments")                                                                      \
	X(SHMALL, "kernel.shmall", 0, "pages in all segments")                                                         \
	X(SHMMAX, "kernel.shmmax", 0, "bytes of the largest segment")                                                  \
	X(MSGMNI, "kernel.msgmni", 0, "queues")                                                                        \
	X(MSGMNB, "kernel.msgmnb", 0, "bytes or messages in the fullest queue")                                        \
	X(MSGMAX, "kernel.msgmax", 0, "bytes of a message (not measured)")

enum limit_name {
#define X(name, sysctl, index, text) LIMIT_##name,
	LIMIT_MAP(X)
#undef X
	    LIMITS
};

struct limit_use {
	bool known;    /* the sysctl could be read */
	bool measured; /* `used` means something */
	uint64_t used, limit;
};

/* Use against limit; the sysctls lie below `root`/proc/sys ("" for the real ones). */
void surroundings_limits(const struct ym_survey *survey, const char *root, struct limit_use limits[LIMITS]);
double surroundings_percent(const struct limit_use *use);
void surroundings_print_limits(const struct limit_use limits[LIMITS]);
void surroundings_json_limits(const struct limit_use limits[LIMITS], struct json *json);

/*
 * Would logind remove the objects of this user when he logs out? systemd has to run; RemoveIPC= from logind.conf and its
 * drop-ins, yes by default; users up to SYS_UID_MAX of login.defs are spared. All below `root`.
 */
bool surroundings_remove_ipc(const char *root, uid_t uid);

/* Enter what is worth saying. */
void surroundings_diagnose(struct findings *findings, const struct ym_survey *survey,
                           const struct limit_use limits[LIMITS]);

#endif
