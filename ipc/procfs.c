/* procfs.c - read /proc/sysvipc, /proc/PID/stat and /proc/PID/maps. */
#include "procfs.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define COLUMNS_MAX 64

/* Every column of the three tables that is wanted, and where its number goes. */
static const struct column {
	const char *name;
	size_t offset;
	int base;
} columns[] = {
#define X(name, field, base)                                                                                           \
	{                                                                                                              \
#name, offsetof(struct ym_sysv_row, field), base                                                       \
	}
    X(key, key, 10),
    X(semid, id, 10),
    X(shmid, id, 10),
    X(msqid, id, 10),
    X(perms, perms, 8),
    X(uid, uid, 10),
    X(gid, gid, 10),
    X(cuid, cuid, 10),
    X(nsems, size, 10),
    X(size, size, 10),
    X(cbytes, size, 10),
    X(nattch, count, 10),
    X(qnum, count, 10),
    X(cpid, creator, 10),
    X(lpid, last, 10),
    X(lspid, last, 10),
    X(otime, used, 10),
    X(atime, used, 10),
    X(lrpid, last_receiver, 10),
    X(stime, used, 10),
    X(rtime, received, 10),
    X(ctime, changed, 10),
    X(dtime, detached, 10),
    X(rss, resident, 10),
    X(swap, swapped, 10),
#undef X
};
#define NCOLUMNS (sizeof(columns) / sizeof(columns[0]))

struct heading {
	const struct column *columns[COLUMNS_MAX]; /* NULL: not wanted */
	size_t count;
};

static int64_t *field(struct ym_sysv_row *row, const struct column *column)
{
	return (int64_t *)(void *)((char *)row + column->offset);
}

static int read_heading(char *line, const char *path, struct heading *heading, struct ym_err *err)
{
	struct ym_sysv_row seen = {0};
	char *rest = line, *word;

	heading->count = 0;
	while ((word = strtok_r(rest, " \t\n", &rest)) && heading->count < COLUMNS_MAX) {
		heading->columns[heading->count] = NULL;
		for (size_t i = 0; i < NCOLUMNS; i++)
			if (strcmp(columns[i].name, word) == 0)
				heading->columns[heading->count] = &columns[i];
		if (heading->columns[heading->count])
			*field(&seen, heading->columns[heading->count]) = 1;
		heading->count++;
	}
	if (!seen.key || !seen.id || !seen.perms || !seen.uid || !seen.cuid || !seen.size)
		return ym_fail(err, YM_ERR_CORRUPT,
		               "%s: the first line does not name the columns key, id, perms, uid, cuid and size", path);
	return 0;
}

static int read_row(char *line, const char *path, unsigned number, const struct heading *heading,
                    struct ym_sysv_row *row, struct ym_err *err)
{
	char *rest = line, *word, *end;

	for (size_t i = 0; i < NCOLUMNS; i++)
		*field(row, &columns[i]) = -1;
	for (size_t i = 0; i < heading->count; i++) {
		word = strtok_r(rest, " \t\n", &rest);
		if (!word)
			return ym_fail(err, YM_ERR_CORRUPT, "%s line %u: %zu columns, not %zu", path, number, i,
			               heading->count);
		if (!heading->columns[i])
			continue;
		errno = 0;
		*field(row, heading->columns[i]) = strtoll(word, &end, heading->columns[i]->base);
		if (errno || *end)
			return ym_fail(err, YM_ERR_CORRUPT, "%s line %u: \"%.20s\" in column %s is no number", path,
			               number, word, heading->columns[i]->name);
	}
	return 0;
}

int ym_sysv_parse(FILE *from, const char *path, struct ym_sysv_row **rows, size_t *count, struct ym_err *err)
{
	struct heading heading = {.count = 0};
	size_t room = 0, size = 0;
	unsigned number = 0;
	char *line = NULL;
	int result = 0;

	*rows = NULL;
	*count = 0;
	while (result == 0 && getline(&line, &size, from) > 0) {
		if (number++ == 0) {
			result = read_heading(line, path, &heading, err);
			continue;
		}
		if (*count == room) {
			struct ym_sysv_row *more = reallocarray(*rows, room = 2 * room + 16, sizeof(**rows));

			if (!more) {
				result = ym_fail(err, YM_ERR_LIMIT, "out of memory");
				break;
			}
			*rows = more;
		}
		result = read_row(line, path, number, &heading, &(*rows)[*count], err);
		*count += result == 0;
	}
	free(line);
	if (result == 0 && number == 0)
		result = ym_fail(err, YM_ERR_CORRUPT, "%s is empty", path);
	if (result < 0) {
		free(*rows);
		*rows = NULL;
		*count = 0;
	}
	return result;
}

int ym_sysv_read(enum ym_object_kind kind, struct ym_sysv_row **rows, size_t *count, struct ym_err *err)
{
	const char *path = kind == YM_OBJECT_SEMAPHORE ? "/proc/sysvipc/sem"
	                   : kind == YM_OBJECT_QUEUE   ? "/proc/sysvipc/msg"
	                                               : "/proc/sysvipc/shm";
	FILE *from = fopen(path, "re");
	int result;

	*rows = NULL;
	*count = 0;
	if (!from)
		return ym_fail_sys(err, errno, "open(\"%s\") for the list of objects (is /proc mounted?)", path);
	result = ym_sysv_parse(from, path, rows, count, err);
	fclose(from);
	return result;
}

/* ---- processes ------------------------------------------------------------------------------- */

void ym_printable(char *text)
{
	for (; *text; text++)
		if (iscntrl((unsigned char)*text))
			*text = '?';
}

/* The line of /proc/PID/stat: PID (NAME) STATE ...; the name may hold anything, so *end is the last bracket. */
static bool read_stat(pid_t pid, char *text, size_t max, char **end)
{
	char path[64];
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/%ld/stat", (long)pid);
	fd = pid > 0 ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	if (fd < 0)
		return false;
	n = read(fd, text, max - 1);
	close(fd);
	text[n > 0 ? n : 0] = '\0';
	*end = strrchr(text, ')');
	return *end && (*end)[1] == ' ';
}

/* A zombie has ended; it only waits for its parent to hear of it. */
static bool lives(char state)
{
	return state != 'Z' && state != 'X';
}

static uint64_t look_up_start(pid_t pid)
{
	char text[1024], *at;

	if (!read_stat(pid, text, sizeof(text), &at) || !lives(at[2]))
		return 0;
	for (int field = 2; at && field < 22; field++)
		at = strchr(at + 1, ' ');
	return at ? strtoull(at, NULL, 10) : 0;
}

uint64_t ym_process_started(pid_t pid)
{
	/* Our own start is asked for at every join, and making that line costs the kernel more than the rest of the join. */
	static _Atomic uint64_t own;
	static _Atomic pid_t of;
	uint64_t started;

	if (pid != getpid())
		return look_up_start(pid);
	if (atomic_load(&of) == pid)
		return atomic_load(&own);
	started = look_up_start(pid);
	if (started) {
		atomic_store(&own, started);
		atomic_store(&of, pid);
	}
	return started;
}

uint64_t ym_process_resident(pid_t pid)
{
	char path[64], text[128] = "", *end = text;
	int fd;

	snprintf(path, sizeof(path), "/proc/%ld/statm", (long)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	if (read(fd, text, sizeof(text) - 1) < 0)
		text[0] = '\0';
	close(fd);
	/* The second number; the first is the size of the address space. */
	strtoull(text, &end, 10);
	return strtoull(end, NULL, 10) * (uint64_t)sysconf(_SC_PAGESIZE);
}

bool ym_process_used(pid_t pid, struct ym_process_use *use)
{
	/* The numbers of the fields in proc(5). */
	enum { USER = 14, SYSTEM = 15, STARTED = 22, RESIDENT = 24 };
	uint64_t fields[RESIDENT + 1] = {0}, ticks;
	char text[1024], *at;

	*use = (struct ym_process_use){0};
	if (!read_stat(pid, text, sizeof(text), &at) || !lives(at[2]))
		return false;
	for (int field = 3; field <= RESIDENT; field++) {
		at = strchr(at + 1, ' ');
		if (!at)
			return false;
		fields[field] = strtoull(at, NULL, 10);
	}
	ticks = (uint64_t)sysconf(_SC_CLK_TCK);
	use->started = fields[STARTED];
	use->cpu_ns = (fields[USER] + fields[SYSTEM]) * (1000000000u / ticks);
	use->resident = fields[RESIDENT] * (uint64_t)sysconf(_SC_PAGESIZE);
	return true;
}

void ym_process_look(pid_t pid, struct ym_process *process)
{
	char text[1024], *open, *close;
	size_t length;

	*process = (struct ym_process){.pid = pid};
	if (!read_stat(pid, text, sizeof(text), &close))
		return;
	open = strchr(text, '(');
	if (!open || close < open)
		return;
	process->state = close[2];
	process->alive = lives(process->state);
	length = (size_t)(close - open - 1);
	if (length >= sizeof(process->name))
		length = sizeof(process->name) - 1;
	memcpy(process->name, open + 1, length);
	ym_printable(process->name);
}

/* Which IPC namespace a process is in: every one has ids of its own. */
static bool ipc_namespace(const char *pid, char *out, size_t max)
{
	char path[300];
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%s/ns/ipc", pid);
	n = readlink(path, out, max - 1);
	out[n < 0 ? 0 : n] = '\0';
	return n > 0;
}

/* ADDRESSES RIGHTS OFFSET DEVICE INODE NAME: a segment is mapped as a file /SYSVkey whose inode is its id. */
static bool is_segment(const char *line, int id)
{
	const char *name = strstr(line, " /SYSV"), *at = line;

	for (int field = 0; name && at && field < 4; field++) {
		at = strchr(at, ' ');
		if (at)
			at += strspn(at, " ");
	}
	return name && at && at < name && strtoull(at, NULL, 10) == (unsigned long long)id;
}

static bool maps_segment(const char *pid, int id)
{
	char path[300], *line = NULL;
	size_t size = 0;
	bool found = false;
	FILE *from;

	snprintf(path, sizeof(path), "/proc/%s/maps", pid);
	from = fopen(path, "re");
	if (!from)
		return false;
	while (!found && getline(&line, &size, from) > 0)
		found = is_segment(line, id);
	free(line);
	fclose(from);
	return found;
}

size_t ym_process_mapping(int id, pid_t *pids, size_t max)
{
	DIR *proc = opendir("/proc");
	char ours[64], theirs[64];
	size_t found = 0;

	ipc_namespace("self", ours, sizeof(ours));
	for (struct dirent *entry = proc ? readdir(proc) : NULL; entry; entry = readdir(proc)) {
		if (!isdigit((unsigned char)entry->d_name[0]) ||
		    !ipc_namespace(entry->d_name, theirs, sizeof(theirs)) || strcmp(ours, theirs) != 0 ||
		    !maps_segment(entry->d_name, id))
			continue;
		if (found < max)
			pids[found] = (pid_t)strtol(entry->d_name, NULL, 10);
		found++;
	}
	if (proc)
		closedir(proc);
	return found;
}
