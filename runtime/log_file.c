/* log_file.c - open, write and rotate one log. */
#include "log_file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "log_backup.h"

#define LINKS_MAX   8
#define REGULAR_MAX 65536 /* of a regular file behind stderr */

/* ---- open ------------------------------------------------------------------------------------ */

int log_file_standard(const char *path)
{
	static const struct {
		const char *path;
		int fd;
	} names[] = {
	    {"/dev/stdout", STDOUT_FILENO}, {"/dev/stderr", STDERR_FILENO},     {"/dev/fd/1", STDOUT_FILENO},
	    {"/dev/fd/2", STDERR_FILENO},   {"/proc/self/fd/1", STDOUT_FILENO}, {"/proc/self/fd/2", STDERR_FILENO},
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strcmp(path, names[i].path) == 0)
			return names[i].fd;
	return -1;
}

void log_file_rules(struct log_file *file, const struct cfg_log *config)
{
	file->maxbytes = config->maxbytes;
	file->backups = config->backups;
	file->rotate_ms = config->rotate_ms;
	file->compress = config->compress;
}

int log_file_init(struct log_file *file, const char *path, const struct cfg_log *config)
{
	*file = (struct log_file){.path = strdup(path), .fd = -1};
	log_file_rules(file, config);
	return file->path ? 0 : -1;
}

void log_file_close(struct log_file *file)
{
	/* Those of the process itself are only borrowed. */
	if (file->fd > STDERR_FILENO)
		close(file->fd);
	file->fd = -1;
	file->kind = LOG_FILE_CLOSED;
}

void log_file_free(struct log_file *file)
{
	log_file_close(file);
	free(file->path);
	free(file->real);
}

/* Where does a link lead to? -1 (errno) if it belongs to somebody who is neither we nor root. */
static int read_link(const char *path, char target[PATH_MAX])
{
	const char *slash = strrchr(path, '/');
	size_t before = slash ? (size_t)(slash - path) + 1 : 0;
	int fd = open(path, O_PATH | O_NOFOLLOW | O_CLOEXEC), sys;
	char text[PATH_MAX];
	struct stat st;
	ssize_t n;

	if (fd < 0)
		return -1;
	n = readlinkat(fd, "", text, sizeof(text) - 1);
	sys = errno;
	if (n >= 0 && (fstat(fd, &st) < 0 || (st.st_uid != 0 && st.st_uid != geteuid()))) {
		n = -1;
		sys = EACCES;
	}
	close(fd);
	errno = sys;
	if (n < 0)
		return -1;
	text[n] = '\0';
	if (text[0] == '/')
		before = 0;
	if (before + (size_t)n >= PATH_MAX) {
		errno = ENAMETOOLONG;
		return -1;
	}
	memcpy(target, path, before);
	memcpy(target + before, text, (size_t)n + 1);
	return 0;
}

/*
 * Readable, too: a FIFO keeps what nobody has read yet, and the last byte of a file can be looked at. `path` becomes
 * where its links lead.
 */
static int open_path(char path[PATH_MAX])
{
	const int flags = O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY;
	char target[PATH_MAX];

	for (unsigned links = 0;; links++) {
		int fd = log_file_standard(path);

		if (fd >= 0)
			return fd;
		fd = open(path, O_RDWR | flags, 0640);
		if (fd < 0 && errno == EACCES)
			fd = open(path, O_WRONLY | flags, 0640);
		if (fd >= 0 || errno != ELOOP || links == LINKS_MAX)
			return fd;
		if (read_link(path, target) < 0)
			return -1;
		memcpy(path, target, PATH_MAX);
	}
}

static void make_directory(const char *path)
{
	char directory[PATH_MAX];
	const char *slash = strrchr(path, '/');

	snprintf(directory, sizeof(directory), "%.*s", (int)(slash - path), path);
	/* Whatever is wrong with it, the next open() says. */
	mkdir(directory, 0750);
}

static int64_t period_of(const struct log_file *file, int64_t when_ms)
{
	return file->rotate_ms > 0 ? when_ms / file->rotate_ms : 0;
}

static bool ends_torn(int fd, off_t size)
{
	char last;

	return size > 0 && pread(fd, &last, 1, size - 1) == 1 && last != '\n';
}

static int open_real(struct log_file *file)
{
	char path[PATH_MAX], *real;
	int fd;

	snprintf(path, sizeof(path), "%s", file->path);
	fd = open_path(path);
	if (fd < 0)
		return -1;
	real = strdup(path);
	if (real) {
		free(file->real);
		file->real = real;
		return fd;
	}
	if (fd > STDERR_FILENO)
		close(fd);
	errno = ENOMEM;
	return -1;
}

int log_file_open(struct log_file *file, int64_t now_ms, struct ym_err *err)
{
	log_file_close(file);
	file->fd = open_real(file);
	if (file->fd < 0 && errno == ENOENT && file->make_directory) {
		make_directory(file->path);
		file->fd = open_real(file);
	}
	if (file->fd < 0 || fstat(file->fd, &file->as) < 0) {
		int sys = errno;

		log_file_close(file);
		return ym_fail_sys(err, sys, "open(\"%s\") for a log", file->path);
	}
	if (file->fd <= STDERR_FILENO || !S_ISREG(file->as.st_mode)) {
		file->kind = LOG_FILE_STREAM;
		file->piece = S_ISREG(file->as.st_mode) ? REGULAR_MAX : PIPE_BUF;
		return 0;
	}
	file->kind = LOG_FILE_REGULAR;
	file->size = (uint64_t)file->as.st_size;
	file->torn = ends_torn(file->fd, file->as.st_size);
	file->period = period_of(file, file->size ? (int64_t)file->as.st_mtime * 1000 : now_ms);
	return 0;
}

bool log_file_displaced(struct log_file *file)
{
	struct stat own, named;

	if (file->fd <= STDERR_FILENO || fstat(file->fd, &own) < 0)
		return false;
	file->size = (uint64_t)own.st_size;
	/* We have it open, so its number is not another one's by now. */
	return stat(file->path, &named) < 0 || named.st_ino != own.st_ino || named.st_dev != own.st_dev;
}

/* ---- rotation -------------------------------------------------------------------------------- */

bool log_file_due(const struct log_file *file, size_t bytes, int64_t when_ms)
{
	if (file->kind != LOG_FILE_REGULAR || file->size == 0)
		return false;
	return (file->maxbytes > 0 && file->size + bytes > (uint64_t)file->maxbytes) ||
	       (file->rotate_ms > 0 && period_of(file, when_ms) > file->period);
}

int64_t log_file_due_at(const struct log_file *file)
{
	if (file->kind != LOG_FILE_REGULAR || file->size == 0 || file->rotate_ms <= 0)
		return INT64_MAX;
	return (file->period + 1) * file->rotate_ms;
}

/* The new file is for the same readers. */
static void inherit(const struct log_file *file, const struct stat *old)
{
	int sys = fchown(file->fd, old->st_uid, old->st_gid);

	/* Without root's rights it stays ours, and with our group nobody gets more than before. */
	if (sys == 0 || (old->st_uid == file->as.st_uid && old->st_gid == file->as.st_gid))
		sys = fchmod(file->fd, old->st_mode & 0777);
	(void)sys;
}

int log_file_rotate(struct log_file *file, int64_t when_ms, struct ym_err *err)
{
	struct log_file old = *file;

	if (log_backup_push(file->real, file->backups, err) < 0)
		return -1;
	file->fd = -1;
	if (log_file_open(file, when_ms, err) < 0) {
		old.real = file->real;
		*file = old;
		if (file->backups > 0 && file->real)
			log_backup_pull(file->real);
		return -1;
	}
	inherit(file, &old.as);
	log_file_close(&old);
	return 0;
}

/* ---- write ----------------------------------------------------------------------------------- */

/*
 * A line is half written: the rest now, or, as the disk is full, that half is taken back; if others have written behind
 * it, it is only ended. 0, or the errno.
 */
static int finish_line(struct log_file *file, const struct iovec *line, size_t half)
{
	struct stat st;
	int sys = 0;

	while (half < line->iov_len && sys == 0) {
		ssize_t n =
		    TEMP_FAILURE_RETRY(write(file->fd, (const char *)line->iov_base + half, line->iov_len - half));

		sys = n < 0 ? errno : 0;
		half += n < 0 ? 0 : (size_t)n;
	}
	if (sys && fstat(file->fd, &st) == 0 && (uint64_t)st.st_size == file->size + half &&
	    ftruncate(file->fd, (off_t)file->size) == 0)
		return sys;
	file->size += half;
	file->torn = sys != 0;
	return sys;
}

static int end_torn_line(struct log_file *file, struct ym_err *err)
{
	if (file->torn && TEMP_FAILURE_RETRY(write(file->fd, "\n", 1)) != 1)
		return ym_fail_sys(err, errno, "write(\"%s\") to a log", file->path);
	file->size += file->torn;
	file->torn = false;
	return 0;
}

int log_file_write(struct log_file *file, const struct iovec *parts, int nparts, struct ym_err *err)
{
	int whole = 0;

	while (whole < nparts && end_torn_line(file, err) == 0) {
		int most = nparts - whole < IOV_MAX ? nparts - whole : IOV_MAX, last = whole + most;
		ssize_t n = TEMP_FAILURE_RETRY(writev(file->fd, parts + whole, most));

		int sys = n < 0 ? errno : 0;

		for (; n > 0 && whole < last && (size_t)n >= parts[whole].iov_len; whole++) {
			n -= (ssize_t)parts[whole].iov_len;
			file->size += parts[whole].iov_len;
		}
		if (n > 0) {
			sys = finish_line(file, &parts[whole], (size_t)n);
			whole += sys == 0;
		}
		if (sys) {
			ym_err_set_sys(err, sys, "write(\"%s\") to a log", file->path);
			return whole;
		}
	}
	return whole;
}

ssize_t log_file_push(struct log_file *file, const char *bytes, size_t size, struct ym_err *err)
{
	struct pollfd out = {.fd = file->fd, .events = POLLOUT};
	ssize_t n;

	/*
	 * Those of the process itself may block, and must: others share them. poll() promises room for PIPE_BUF bytes.
	 */
	if (TEMP_FAILURE_RETRY(poll(&out, 1, 0)) == 0)
		return 0;
	n = TEMP_FAILURE_RETRY(write(file->fd, bytes, size));
	if (n < 0 && errno == EAGAIN)
		return 0;
	if (n < 0)
		return ym_fail_sys(err, errno, "write(\"%s\") to a log", file->path);
	return n;
}
