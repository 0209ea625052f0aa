/* bell.c - wake the master. */
#include "bell.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "share.h"

#define BELL_NAME "bell"

static void bell_path(char *path, size_t max, const char *directory)
{
	snprintf(path, max, "%s/" BELL_NAME, directory);
}

int bell_open(const char *directory, struct ym_err *err)
{
	char path[PATH_MAX];
	int fd;

	bell_path(path, sizeof(path), directory);
	if (mkfifo(path, 0600) < 0 && errno != EEXIST)
		return ym_fail_sys(err, errno, "mkfifo(\"%s\")", path);
	/* Read and write: the master keeps a writer of its own, so the FIFO never reports end of file. */
	fd = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return ym_fail_sys(err, errno, "open(\"%s\")", path);
	/* One that an earlier master has left may have been shared with another group, or with none. */
	if (fchmod(fd, 0600) == 0 && share_file(directory, fd, 0620) == 0)
		return fd;
	ym_fail_sys(err, errno, "fchmod(\"%s\") of the bell", path);
	close(fd);
	return -1;
}

void bell_clear(int fd)
{
	char buffer[256];

	while (read(fd, buffer, sizeof(buffer)) > 0)
		;
}

void bell_ring(const char *directory)
{
	char path[PATH_MAX];
	ssize_t n;
	int fd;

	bell_path(path, sizeof(path), directory);
	fd = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return;
	/* A full FIFO has been rung enough. */
	n = write(fd, "!", 1);
	(void)n;
	close(fd);
}
