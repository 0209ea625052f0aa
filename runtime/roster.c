/* roster.c - the mapped file. */
#include "roster.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "../ipc/procfs.h"
#include "log.h"
#include "spawn.h"
#include "text.h"

#define ROSTER_NAME    "roster"
#define ROSTER_MAGIC   "ymroster"
#define ROSTER_VERSION 2

/* In `started`: not the start, but when somebody was about to start it; and how long that takes at most. */
#define BEGUN         (UINT64_C(1) << 63)
#define BEGUN_SECONDS 10

struct file {
	char magic[8];
	uint32_t version;
	uint32_t boot; /* of the machine: its pids mean nothing after another one */
	struct roster_entry entries[ROSTER_ENTRIES];
};
_Static_assert(offsetof(struct file, entries) == 16, "layout in the header");

struct roster {
	struct file *file;
	char path[PATH_MAX];
};

/* What another version or another program has left is kept for who wants to look. */
static void put_aside(const char *path)
{
	char aside[PATH_MAX + 8];

	snprintf(aside, sizeof(aside), "%s.old", path);
	log_line(LOG_WARN,
	         "%s is damaged or of another version: it becomes %s; processes of programs that an earlier master "
	         "left are not known",
	         path, aside);
	rename(path, aside);
}

static bool sound(const struct file *file)
{
	if (memcmp(file->magic, ROSTER_MAGIC, sizeof(file->magic)) != 0 || file->version != ROSTER_VERSION)
		return false;
	for (size_t i = 0; i < ROSTER_ENTRIES; i++)
		if (!memchr(file->entries[i].name, '\0', ROSTER_NAME_MAX))
			return false;
	return true;
}

static int map(struct roster *roster, bool *fresh, struct ym_err *err)
{
	int fd = open(roster->path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	struct stat st;
	void *addr;

	if (fd < 0)
		return ym_fail_sys(err, errno, "open(\"%s\") for the pids of programs", roster->path);
	if (fstat(fd, &st) < 0 || (st.st_size == 0 && ftruncate(fd, sizeof(struct file)) < 0)) {
		ym_fail_sys(err, errno, "ftruncate(\"%s\")", roster->path);
		close(fd);
		return -1;
	}
	*fresh = st.st_size == 0;
	if (st.st_size != 0 && (size_t)st.st_size != sizeof(struct file)) {
		close(fd);
		return 1;
	}
	addr = mmap(NULL, sizeof(struct file), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (addr == MAP_FAILED) {
		ym_fail_sys(err, errno, "mmap(\"%s\")", roster->path);
		close(fd);
		return -1;
	}
	close(fd);
	roster->file = addr;
	return 0;
}

static uint32_t boot_of_machine(void)
{
	FILE *file = fopen("/proc/sys/kernel/random/boot_id", "re");
	uint32_t sum = 2166136261u;

	for (int c = file ? getc(file) : EOF; c != EOF; c = getc(file))
		sum = (sum ^ (uint32_t)c) * 16777619u;
	if (file)
		fclose(file);
	return sum;
}

/* As /proc counts the starts of processes. */
static uint64_t ticks_now(void)
{
	uint64_t per_second = (uint64_t)sysconf(_SC_CLK_TCK);
	struct timespec now;

	clock_gettime(CLOCK_BOOTTIME, &now);
	return (uint64_t)now.tv_sec * per_second + (uint64_t)now.tv_nsec * per_second / 1000000000u;
}

_Atomic int32_t *roster_begin(struct roster_entry *entry)
{
	entry->started = BEGUN | ticks_now();
	return &entry->pid;
}

/* The last master was killed while it started this process: one that has its pid and began then is it. */
static void resolve(struct roster_entry *entry)
{
	uint64_t begun = entry->started & ~BEGUN, started;
	pid_t pid = atomic_load(&entry->pid);

	if (pid == 0 || !(entry->started & BEGUN))
		return;
	started = ym_process_started(pid);
	if (started >= begun && started <= begun + BEGUN_SECONDS * (uint64_t)sysconf(_SC_CLK_TCK))
		entry->started = started;
	else
		atomic_store(&entry->pid, 0);
}

int roster_open(struct roster **out, const char *directory, struct ym_err *err)
{
	struct roster *roster = calloc(1, sizeof(*roster));
	bool fresh = false;
	int result;

	if (!roster)
		return ym_fail(err, YM_ERR_LIMIT, "out of memory");
	snprintf(roster->path, sizeof(roster->path), "%s/" ROSTER_NAME, directory);
	result = map(roster, &fresh, err);
	if (result == 0 && !fresh && !sound(roster->file)) {
		munmap(roster->file, sizeof(struct file));
		result = 1;
	}
	if (result == 1) {
		put_aside(roster->path);
		result = map(roster, &fresh, err) == 0 ? 0 : -1;
	}
	if (result < 0) {
		free(roster);
		return -1;
	}
	if (fresh) {
		memcpy(roster->file->magic, ROSTER_MAGIC, sizeof(roster->file->magic));
		roster->file->version = ROSTER_VERSION;
	}
	if (roster->file->boot != boot_of_machine())
		for (size_t i = 0; i < ROSTER_ENTRIES; i++)
			roster_clear(&roster->file->entries[i]);
	roster->file->boot = boot_of_machine();
	for (size_t i = 0; i < ROSTER_ENTRIES; i++)
		resolve(&roster->file->entries[i]);
	*out = roster;
	return 0;
}

void roster_close(struct roster *roster)
{
	bool empty = true;

	if (!roster)
		return;
	for (size_t i = 0; i < ROSTER_ENTRIES; i++)
		empty = empty && atomic_load(&roster->file->entries[i].pid) == 0;
	if (empty)
		unlink(roster->path);
	munmap(roster->file, sizeof(struct file));
	free(roster);
}

struct roster_entry *roster_entry(struct roster *roster, const char *name)
{
	struct roster_entry *vacant = NULL;

	for (size_t i = 0; i < ROSTER_ENTRIES; i++) {
		struct roster_entry *entry = &roster->file->entries[i];

		if (strcmp(entry->name, name) == 0)
			return entry;
		if (!vacant && !entry->name[0])
			vacant = entry;
	}
	if (vacant)
		text_copy(vacant->name, sizeof(vacant->name), name);
	return vacant;
}

void roster_enter(struct roster_entry *entry, pid_t pid)
{
	entry->started = ym_process_started(pid);
	atomic_store(&entry->pid, pid);
}

void roster_clear(struct roster_entry *entry)
{
	atomic_store(&entry->pid, 0);
}

int roster_find(const struct roster_entry *entry)
{
	pid_t pid = atomic_load(&entry->pid);

	return pid ? spawn_open_process(pid, entry->started) : -1;
}

void roster_each(struct roster *roster, void (*each)(void *arg, struct roster_entry *entry), void *arg)
{
	for (size_t i = 0; i < ROSTER_ENTRIES; i++)
		if (atomic_load(&roster->file->entries[i].pid))
			each(arg, &roster->file->entries[i]);
}
