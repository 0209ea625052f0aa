/* log_backup.c - rename and pack the old files of a log. */
#include "log_backup.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#define PACK_BYTES 65536
#define PACK_TEMP  LOG_BACKUP_PACKED ".part"

static pthread_mutex_t names = PTHREAD_MUTEX_INITIALIZER;

void log_backup_name(char out[PATH_MAX], const char *path, int64_t number, bool packed)
{
	snprintf(out, PATH_MAX, "%s.%lld%s", path, (long long)number, packed ? LOG_BACKUP_PACKED : "");
}

static void temp_name(char out[PATH_MAX], const char *path)
{
	snprintf(out, PATH_MAX, "%s" PACK_TEMP, path);
}

static bool exists(const char *path, int64_t number, bool packed)
{
	char name[PATH_MAX];
	struct stat st;

	log_backup_name(name, path, number, packed);
	return lstat(name, &st) == 0;
}

static bool taken(const char *path, int64_t number)
{
	return exists(path, number, false) || exists(path, number, true);
}

static void discard(const char *path, int64_t number, bool packed)
{
	char name[PATH_MAX];

	log_backup_name(name, path, number, packed);
	unlink(name);
}

static int move_up(const char *path, int64_t number, bool packed, struct ym_err *err)
{
	char from[PATH_MAX], to[PATH_MAX];

	log_backup_name(from, path, number, packed);
	log_backup_name(to, path, number + 1, packed);
	if (rename(from, to) < 0 && errno != ENOENT)
		return ym_fail_sys(err, errno, "rename(\"%s\", \"%s\") of an old log", from, to);
	return 0;
}

/* Both forms of one number: its packing was complete, only the plain file was not gone yet. */
static void drop_twins(const char *path, int64_t keep)
{
	for (int64_t n = 1; n <= keep && taken(path, n); n++)
		if (exists(path, n, true))
			discard(path, n, false);
}

static int push(const char *path, int64_t keep, struct ym_err *err)
{
	char first[PATH_MAX];
	int64_t gap = 1;

	drop_twins(path, keep);
	while (gap < keep && taken(path, gap))
		gap++;
	for (int64_t n = gap < 1 ? 1 : gap; n >= keep && n > 0 && taken(path, n); n++) {
		discard(path, n, false);
		discard(path, n, true);
	}
	if (keep == 0) {
		if (unlink(path) < 0 && errno != ENOENT)
			return ym_fail_sys(err, errno, "unlink(\"%s\") of a log without backups", path);
		return 0;
	}
	for (int64_t n = gap - 1; n > 0; n--)
		if (move_up(path, n, false, err) < 0 || move_up(path, n, true, err) < 0)
			return -1;
	log_backup_name(first, path, 1, false);
	if (rename(path, first) < 0 && errno != ENOENT)
		return ym_fail_sys(err, errno, "rename(\"%s\", \"%s\") for a new log", path, first);
	return 0;
}

int log_backup_push(const char *path, int64_t keep, struct ym_err *err)
{
	int result;

	pthread_mutex_lock(&names);
	result = push(path, keep, err);
	pthread_mutex_unlock(&names);
	return result;
}

void log_backup_pull(const char *path)
{
	char first[PATH_MAX];

	log_backup_name(first, path, 1, false);
	pthread_mutex_lock(&names);
	/* Not over a file that has come meanwhile. */
	if (link(first, path) == 0)
		unlink(first);
	pthread_mutex_unlock(&names);
}

void log_backup_tidy(const char *path, int64_t keep)
{
	char temp[PATH_MAX];

	temp_name(temp, path);
	pthread_mutex_lock(&names);
	unlink(temp);
	drop_twins(path, keep);
	pthread_mutex_unlock(&names);
}

/* ---- gzip ------------------------------------------------------------------------------------ */

/* Open the oldest plain one; its number is of no use, as it may be renamed at any moment. -1: there is none. */
static int open_plain(const char *path, int64_t keep, struct stat *st)
{
	char name[PATH_MAX];
	int fd = -1;

	pthread_mutex_lock(&names);
	drop_twins(path, keep);
	for (int64_t n = keep; n > 0 && fd < 0; n--) {
		log_backup_name(name, path, n, false);
		fd = open(name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
		if (fd >= 0 && (fstat(fd, st) < 0 || !S_ISREG(st->st_mode))) {
			close(fd);
			fd = -1;
		}
	}
	pthread_mutex_unlock(&names);
	return fd;
}

/* 1: given up because of *stop. */
static int copy_packed(int from, gzFile to, const _Atomic bool *stop)
{
	char bytes[PACK_BYTES];
	ssize_t n;

	while ((n = TEMP_FAILURE_RETRY(read(from, bytes, sizeof(bytes)))) > 0) {
		if (*stop)
			return 1;
		if (gzwrite(to, bytes, (unsigned)n) != n)
			return -1;
	}
	return n < 0 ? -1 : 0;
}

/* Whole and on the disk. */
static int write_packed(int from, const struct stat *like, const char *temp, const _Atomic bool *stop,
                        struct ym_err *err)
{
	const struct timespec times[] = {like->st_atim, like->st_mtim};
	int fd = open(temp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	int own = fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, 0);
	gzFile to = own < 0 ? NULL : gzdopen(own, "wb");
	int result = -1;

	errno = to ? 0 : errno ? errno : ENOMEM;
	if (to) {
		result = copy_packed(from, to, stop);
		if (gzclose(to) != Z_OK && result == 0)
			result = -1;
		/* Who could read the log can read it still; chown() is for root only. */
		if (result == 0 && fchown(fd, like->st_uid, like->st_gid) < 0 && errno != EPERM)
			result = -1;
		if (result == 0 && (fchmod(fd, like->st_mode & 07777) < 0 || futimens(fd, times) < 0 || fsync(fd) < 0))
			result = -1;
	} else if (own >= 0) {
		close(own);
	}
	if (result < 0)
		ym_err_set_sys(err, errno ? errno : EIO, "write(\"%s\") for a packed log", temp);
	if (fd >= 0)
		close(fd);
	return result;
}

/* Where is it by now? Give the packed one the number of the plain one, or drop it if that was removed meanwhile. */
static int replace(const char *path, int64_t keep, const struct stat *plain, const char *temp, struct ym_err *err)
{
	char name[PATH_MAX], packed[PATH_MAX];
	int result = 0;
	struct stat st;

	pthread_mutex_lock(&names);
	for (int64_t n = 1; n <= keep; n++) {
		log_backup_name(name, path, n, false);
		if (lstat(name, &st) < 0 || st.st_ino != plain->st_ino || st.st_dev != plain->st_dev)
			continue;
		log_backup_name(packed, path, n, true);
		result = rename(temp, packed);
		if (result == 0)
			unlink(name);
		else
			ym_err_set_sys(err, errno, "rename(\"%s\", \"%s\") of a packed log", temp, packed);
		break;
	}
	unlink(temp);
	pthread_mutex_unlock(&names);
	return result;
}

int log_backup_pack(const char *path, int64_t keep, const _Atomic bool *stop, struct ym_err *err)
{
	char temp[PATH_MAX];
	struct stat st;
	int fd, result = 0;

	temp_name(temp, path);
	while (result == 0 && !*stop && (fd = open_plain(path, keep, &st)) >= 0) {
		unlink(temp);
		result = write_packed(fd, &st, temp, stop, err);
		close(fd);
		if (result == 0)
			result = replace(path, keep, &st, temp, err);
		else
			unlink(temp);
	}
	return result < 0 ? -1 : 0;
}
