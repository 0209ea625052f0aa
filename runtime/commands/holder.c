/* holder.c - the hidden command `yardmaster holder ...`, and those who start, find and end it. */
#include "holder.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../ipc/procfs.h"
#include "../../ipc/sys.h"
#include "../brief.h"
#include "../spawn.h"
#include "command.h"

/* How long those who release a unit may take before another one gives up waiting for its turn. */
#define TURN_MS 5000

/* Name of a holder that has its unit. */
#define HOLDING "ym-holding"

/* The words of its command line. */
enum {
	WORD_PROGRAM,
	WORD_VERB,
	WORD_KEY,
	WORD_OWNER,
	WORD_STARTED,
	WORD_MAX,
	WORD_MODE,
	WORD_TIMEOUT,
	WORD_UNITS,
	WORDS
};
#define WORD_LENGTH 24

int unit_take(struct ym_sem *sem, const struct unit_wish *wish, struct ym_err *err)
{
	uint64_t deadline = ym_deadline(wish->timeout_ms), attached = ym_deadline(UNIT_ATTACH_MS);
	int result;

	if (ym_sem_get(sem, wish->key, wish->max, wish->mode, deadline > attached ? deadline : attached, err) < 0)
		return -1;
	/* Nobody else is there who could have added some. */
	if (sem->alone && wish->units > (unsigned)wish->max)
		return ym_fail(err, YM_ERR_USAGE, "semaphore 0x%08x has %d units, never %u at once: say --max",
		               (unsigned)wish->key, wish->max, wish->units);
	if (wish->timeout_ms != 0)
		return ym_sem_acquire_units(sem, wish->units, deadline, err);
	result = ym_sem_try_units(sem, wish->units, err);
	if (result == 1 && wish->units > 1)
		return ym_fail(err, YM_ERR_NO, "%u units of semaphore 0x%08x are not free", wish->units,
		               (unsigned)wish->key);
	if (result == 1)
		return ym_fail(err, YM_ERR_NO, "no unit of semaphore 0x%08x is free", (unsigned)wish->key);
	return result;
}

/* ---- being a holder -------------------------------------------------------------------------- */

struct watch {
	int owner;           /* pidfd */
	atomic_bool settled; /* it is up to the owner alone now */
};

/* A thread beside the one that waits for the semaphore: both waits sleep in the kernel, in different calls. */
static void *keep_watch(void *arg)
{
	struct watch *watch = arg;
	struct pollfd ends[] = {{.fd = watch->owner, .events = POLLIN}, {.fd = BRIEF_FD}};

	for (;;) {
		if (poll(ends, 2, -1) <= 0)
			continue;
		if (ends[0].revents || (ends[1].revents && !atomic_load(&watch->settled)))
			_exit(0);
		/* Who started us has read that we hold the unit, and is gone. */
		if (ends[1].revents) {
			close(BRIEF_FD);
			ends[1].fd = -1;
		}
	}
}

static int start_watch(struct watch *watch, pid_t owner, uint64_t started, struct ym_err *err)
{
	pthread_t thread;
	int sys;

	watch->owner = spawn_open_process(owner, started);
	if (watch->owner < 0)
		return ym_fail(err, YM_ERR_NO, "process %d, for which the unit was to be held, has ended", owner);
	sys = pthread_create(&thread, NULL, keep_watch, watch);
	if (sys)
		return ym_fail_sys(err, sys, "pthread_create() to watch process %d", owner);
	pthread_detach(thread);
	return 0;
}

static int hold(const struct args *args)
{
	/* The words behind program and verb. */
	char **words = args->rest - WORD_KEY;
	struct unit_wish wish = {
	    .key = (key_t)strtoul(words[WORD_KEY], NULL, 16),
	    .max = (int)strtol(words[WORD_MAX], NULL, 10),
	    .mode = (mode_t)strtoul(words[WORD_MODE], NULL, 8),
	    .timeout_ms = strtoll(words[WORD_TIMEOUT], NULL, 10),
	    .units = (unsigned)strtoul(words[WORD_UNITS], NULL, 10),
	};
	/* Nobody sets USAGE to 0 while we are attached: the wait ends when the set is removed or reset by hand. */
	struct sembuf removed = {YM_SEM_USAGE, 0, 0};
	static struct watch watch; /* of the process, not of this call: the thread outlives it */
	struct ym_err err = {0};
	struct ym_sem sem = {.id = -1};

	if (start_watch(&watch, (pid_t)strtol(words[WORD_OWNER], NULL, 10), strtoull(words[WORD_STARTED], NULL, 10),
	                &err) == 0 &&
	    unit_take(&sem, &wish, &err) == 0) {
		prctl(PR_SET_NAME, HOLDING);
		if (chdir("/") < 0)
			ym_fail_sys(&err, errno, "chdir(\"/\")");
	}
	atomic_store(&watch.settled, true);
	/* Who asked looks at the semaphore next: no trace of us then. */
	if (err.class != YM_ERR_NONE)
		ym_sem_close(&sem);
	/* If nobody is there to hear it, SIGPIPE ends us. */
	if (write(BRIEF_FD, &err, sizeof(err)) != (ssize_t)sizeof(err) || err.class != YM_ERR_NONE)
		return ym_err_exit_code(YM_ERR_NO);
	ym_semop_until(sem.id, &removed, 1, YM_NEVER);
	return 0;
}

/* ---- starting one ---------------------------------------------------------------------------- */

static int hear(int fd, pid_t owner, struct ym_err *err)
{
	struct ym_err answer;
	ssize_t got;

	do
		got = read(fd, &answer, sizeof(answer));
	while (got < 0 && errno == EINTR);
	if (got != (ssize_t)sizeof(answer))
		return ym_fail(err, YM_ERR_NO,
		               "the process in the background ended before it had the unit: it was killed, or process "
		               "%d, for which it waited, has ended",
		               owner);
	if (answer.class == YM_ERR_NONE)
		return 0;
	*err = answer;
	return -1;
}

pid_t holder_start(const struct unit_wish *wish, pid_t owner, struct ym_err *err)
{
	char key[WORD_LENGTH], whose[WORD_LENGTH], started[WORD_LENGTH], max[WORD_LENGTH], mode[WORD_LENGTH],
	    timeout[WORD_LENGTH], units[WORD_LENGTH],
	    *argv[] = {
		(char[]){"yardmaster"}, (char[]){"holder"}, key, whose, started, max, mode, timeout, units, NULL};
	uint64_t birth = ym_process_started(owner);
	int ends[2], pidfd;
	pid_t pid;

	_Static_assert(sizeof(argv) / sizeof(argv[0]) == WORDS + 1, "one argument for each word");
	if (birth == 0)
		return ym_fail(err, YM_ERR_USAGE, "there is no process %d for which a unit could be held", owner);
	snprintf(key, sizeof(key), "0x%08x", (unsigned)wish->key);
	snprintf(whose, sizeof(whose), "%d", owner);
	snprintf(started, sizeof(started), "%" PRIu64, birth);
	snprintf(max, sizeof(max), "%d", wish->max);
	snprintf(mode, sizeof(mode), "%o", (unsigned)wish->mode);
	snprintf(timeout, sizeof(timeout), "%" PRId64, wish->timeout_ms);
	snprintf(units, sizeof(units), "%u", wish->units);
	if (pipe2(ends, O_CLOEXEC) < 0)
		return ym_fail_sys(err, errno, "pipe2() to hear from a holder");
	pid = spawn_self(&(struct spawn){.argv = argv, .detach = true, .brief = ends[1]}, &pidfd, err);
	close(ends[1]);
	if (pid >= 0) {
		close(pidfd);
		pid = hear(ends[0], owner, err) < 0 ? -1 : pid;
	}
	close(ends[0]);
	return pid;
}

/* ---- finding and ending them ----------------------------------------------------------------- */

/* A file of /proc/PID, NUL-terminated. The length, 0 if it cannot be read. */
static size_t read_proc(pid_t pid, const char *name, char *out, size_t max)
{
	char path[64];
	ssize_t got;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/%s", pid, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	got = fd < 0 ? -1 : read(fd, out, max - 1);
	if (fd >= 0)
		close(fd);
	out[got > 0 ? got : 0] = '\0';
	return got > 0 ? (size_t)got : 0;
}

/* Of our user and in our IPC namespace: elsewhere the same key means something else. */
static bool is_ours(pid_t pid)
{
	char path[64];
	struct stat process, theirs, our;

	snprintf(path, sizeof(path), "/proc/%d", pid);
	if (stat(path, &process) < 0 || process.st_uid != geteuid())
		return false;
	snprintf(path, sizeof(path), "/proc/%d/ns/ipc", pid);
	return stat(path, &theirs) == 0 && stat("/proc/self/ns/ipc", &our) == 0 && theirs.st_ino == our.st_ino &&
	       theirs.st_dev == our.st_dev;
}

static bool is_holder(pid_t pid, key_t key, struct holder *holder)
{
	char text[WORDS * WORD_LENGTH + 1], name[32], wanted[WORD_LENGTH], *words[WORDS + 1];
	size_t length = read_proc(pid, "cmdline", text, sizeof(text)), n = 0;

	for (size_t at = 0; at < length && n <= WORDS; at += strlen(text + at) + 1)
		words[n++] = text + at;
	snprintf(wanted, sizeof(wanted), "0x%08x", (unsigned)key);
	if (n != WORDS || strcmp(words[WORD_PROGRAM], "yardmaster") != 0 || strcmp(words[WORD_VERB], "holder") != 0 ||
	    strcmp(words[WORD_KEY], wanted) != 0)
		return false;
	read_proc(pid, "comm", name, sizeof(name));
	*holder = (struct holder){
	    .pid = pid,
	    .owner = (pid_t)strtol(words[WORD_OWNER], NULL, 10),
	    .units = (unsigned)strtoul(words[WORD_UNITS], NULL, 10),
	    .started = ym_process_started(pid),
	    .owner_started = strtoull(words[WORD_STARTED], NULL, 10),
	};
	return strcmp(name, HOLDING "\n") == 0 && is_ours(pid) && holder->started != 0;
}

static int newest_first(const void *a, const void *b)
{
	const struct holder *one = a, *two = b;

	if (one->started != two->started)
		return one->started < two->started ? 1 : -1;
	return one->pid < two->pid ? 1 : -1;
}

int holder_list(key_t key, struct holder **list, size_t *count, struct ym_err *err)
{
	DIR *proc = opendir("/proc");
	struct holder one;
	int result = 0;

	*list = NULL;
	*count = 0;
	if (!proc)
		return ym_fail_sys(err, errno, "opendir(\"/proc\") to find who holds semaphore 0x%08x", (unsigned)key);
	for (struct dirent *entry = readdir(proc); entry && result == 0; entry = readdir(proc)) {
		struct holder *larger;

		if (!isdigit((unsigned char)entry->d_name[0]) ||
		    !is_holder((pid_t)strtol(entry->d_name, NULL, 10), key, &one))
			continue;
		larger = reallocarray(*list, *count + 1, sizeof(**list));
		if (!larger) {
			result = ym_fail(err, YM_ERR_LIMIT, "out of memory for a list of processes");
			break;
		}
		*list = larger;
		larger[(*count)++] = one;
	}
	closedir(proc);
	if (*count > 1)
		qsort(*list, *count, sizeof(**list), newest_first);
	return result;
}

pid_t holder_shell_of(pid_t pid)
{
	char ours[4096], theirs[4096], *line;
	pid_t parent;
	size_t length;

	read_proc(pid, "status", ours, sizeof(ours));
	line = strstr(ours, "\nPPid:");
	parent = line ? (pid_t)strtol(line + strlen("\nPPid:"), NULL, 10) : 0;
	length = read_proc(pid, "cmdline", ours, sizeof(ours));
	if (parent <= 0 || length == 0 || read_proc(parent, "cmdline", theirs, sizeof(theirs)) != length ||
	    memcmp(ours, theirs, length) != 0)
		return 0;
	return parent;
}

/* 0 ended, 1 it was gone already, -1 error. */
static int end_one(const struct holder *holder, struct ym_err *err)
{
	struct pollfd ended = {.fd = spawn_open_process(holder->pid, holder->started), .events = POLLIN};

	if (ended.fd < 0)
		return 1;
	/* SIGKILL: it has nothing to do at its end, and a stopped process would not hear SIGTERM. */
	spawn_signal(ended.fd, SIGKILL);
	while (poll(&ended, 1, TURN_MS) < 0 && errno == EINTR)
		;
	close(ended.fd);
	if (!ended.revents)
		return ym_fail(err, YM_ERR_TIMEOUT, "process %d, which holds the unit, does not end", holder->pid);
	return 0;
}

static int end_newest(key_t key, pid_t pid, pid_t owner, pid_t *ended, struct ym_err *err)
{
	uint64_t birth = ym_process_started(owner);
	struct holder *list;
	size_t count;
	int result = holder_list(key, &list, &count, err) < 0 ? -1 : 1;

	for (size_t i = 0; i < count && result == 1; i++) {
		if (pid ? list[i].pid != pid : list[i].owner != owner || list[i].owner_started != birth)
			continue;
		*ended = list[i].pid;
		result = end_one(&list[i], err);
	}
	free(list);
	return result;
}

int holder_end(key_t key, pid_t pid, pid_t owner, pid_t *ended, struct ym_err *err)
{
	/* One at a time: two who end the same process would think that each gave a unit back. */
	struct sembuf lock[] = {{YM_SEM_LOCK, 0, 0}, {YM_SEM_LOCK, 1, SEM_UNDO}};
	struct sembuf unlock = {YM_SEM_LOCK, -1, SEM_UNDO | IPC_NOWAIT};
	int id, sys, result;

	if (ym_sem_find(key, &id, err) < 0)
		return -1;
	sys = ym_semop_until(id, lock, 2, ym_deadline(TURN_MS));
	if (sys == EAGAIN)
		return ym_fail(err, YM_ERR_TIMEOUT,
		               "semaphore 0x%08x: process %d attaches or releases and does not end", (unsigned)key,
		               ym_sem_pid(id, YM_SEM_LOCK));
	if (sys)
		return ym_fail_sys(err, ym_gone(sys), "semop(id %d) to release a unit of semaphore 0x%08x", id,
		                   (unsigned)key);
	result = end_newest(key, pid, owner, ended, err);
	ym_semop_until(id, &unlock, 1, YM_NEVER);
	return result;
}

static const struct option_row options[] = {{0}};

const struct command command_holder = {
    .verb = "holder",
    .usage = "KEY OWNER STARTED MAX MODE TIMEOUT UNITS",
    .summary = "hold units of a semaphore in the background (started by `yardmaster sem acquire`)",
    .options = options,
    .least = WORDS - WORD_KEY,
    .most = WORDS - WORD_KEY,
    .run = hold,
    .hidden = true,
};
