/* rejected.c - files of messages. */
#include "rejected.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "../ipc/clock.h"
#include "transfer.h"

#define FOLDER "rejected"
/* Half a file must not look like a message: it gets its name when it is whole. */
#define UNFINISHED ".unfinished"

/* Nobody removes a thousand files more often than that. */
#define COUNT_AGAIN_NS UINT64_C(1000000000)

#define STAMP_MAX 64

void rejected_init(struct rejected *rejected, const char *directory, const char *pool)
{
	*rejected = (struct rejected){0};
	snprintf(rejected->directory, sizeof(rejected->directory), "%s/" FOLDER "/%s", directory, pool);
}

static int make_directory(const char *path, struct ym_err *err)
{
	/* What was sent may be secret. */
	if (mkdir(path, 0700) < 0 && errno != EEXIST)
		return ym_fail_sys(err, errno, "mkdir(\"%s\") for refused messages", path);
	return 0;
}

static int make_directories(const struct rejected *rejected, struct ym_err *err)
{
	char parent[PATH_MAX];

	snprintf(parent, sizeof(parent), "%s", rejected->directory);
	*strrchr(parent, '/') = '\0';
	return make_directory(parent, err) < 0 ? -1 : make_directory(rejected->directory, err);
}

static int count(struct rejected *rejected, struct ym_err *err)
{
	DIR *files = opendir(rejected->directory);

	if (!files)
		return ym_fail_sys(err, errno, "opendir(\"%s\") to count refused messages", rejected->directory);
	rejected->files = 0;
	for (struct dirent *entry = readdir(files); entry; entry = readdir(files))
		rejected->files += entry->d_name[0] != '.';
	closedir(files);
	rejected->counted = ym_now_ns();
	return 0;
}

static bool to_be_counted(const struct rejected *rejected)
{
	return rejected->counted == 0 ||
	       (rejected->files >= REJECTED_MAX && ym_now_ns() - rejected->counted > COUNT_AGAIN_NS);
}

/* A name that no file has, with the time in it. */
static int choose_name(const struct rejected *rejected, long type, char path[PATH_MAX], struct ym_err *err)
{
	char stamp[STAMP_MAX];
	struct timespec now;
	unsigned n = 1;
	struct tm tm;
	int length;

	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &tm);
	strftime(stamp, sizeof(stamp), "%Y%m%dT%H%M%S", &tm);
	do {
		length = snprintf(path, PATH_MAX, "%s/%s.%03ldZ-%u.type-%ld", rejected->directory, stamp,
		                  now.tv_nsec / 1000000, n++, type);
		if (length < 0 || length >= PATH_MAX)
			return ym_fail(err, YM_ERR_USAGE, "path too long: %s", rejected->directory);
	} while (access(path, F_OK) == 0);
	return 0;
}

static int write_file(const char *unfinished, const char *path, const void *bytes, size_t size, struct ym_err *err)
{
	int fd = open(unfinished, O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC | O_NOFOLLOW, 0600), result, sys;
	uint64_t written;

	if (fd < 0)
		return ym_fail_sys(err, errno, "open(\"%s\") to keep a refused message", unfinished);
	result = transfer_write(fd, bytes, size, &written) == TRANSFER_DONE ? 0 : -1;
	sys = errno;
	if (close(fd) < 0 && result == 0) {
		result = -1;
		sys = errno;
	}
	if (result == 0 && rename(unfinished, path) == 0)
		return 0;
	if (result == 0)
		sys = errno;
	unlink(unfinished);
	return ym_fail_sys(err, sys, "write(\"%s\", %zu bytes) to keep a refused message", unfinished, size);
}

int rejected_keep(struct rejected *rejected, long type, const void *bytes, size_t size, char path[PATH_MAX],
                  struct ym_err *err)
{
	char unfinished[PATH_MAX];

	if ((size_t)snprintf(unfinished, sizeof(unfinished), "%s/" UNFINISHED, rejected->directory) >=
	    sizeof(unfinished))
		return ym_fail(err, YM_ERR_USAGE, "path too long: %s", rejected->directory);
	if (make_directories(rejected, err) < 0 || (to_be_counted(rejected) && count(rejected, err) < 0))
		return -1;
	if (rejected->files >= REJECTED_MAX)
		return 1;
	if (choose_name(rejected, type, path, err) < 0 || write_file(unfinished, path, bytes, size, err) < 0)
		return -1;
	rejected->files++;
	return 0;
}
