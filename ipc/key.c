/* key.c - ftok, crc32 keys and key files. */
#include "key.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "object.h"

/* How many inodes to try before giving up on a free key; 1 in 65536 clashes by chance. */
#define REMAKE_MAX 64

static key_t key_of_stat(const struct stat *st, int project)
{
	uint32_t key =
	    ((uint32_t)project & 0xff) << 24 | ((uint32_t)st->st_dev & 0xff) << 16 | ((uint32_t)st->st_ino & 0xffff);

	return (key_t)key;
}

int ym_ftok(const char *path, int project, key_t *key, struct ym_err *err)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return ym_fail_sys(err, errno, "stat(\"%s\") to compute its key", path);
	*key = key_of_stat(&st, project);
	if (*key == IPC_PRIVATE || *key == (key_t)-1)
		return ym_fail(err, YM_ERR_NO, "the key of \"%s\" is 0x%x, which cannot be used: copy the file", path,
		               (unsigned)*key);
	return 0;
}

uint32_t ym_crc32(const void *bytes, size_t length)
{
	const unsigned char *p = bytes;
	uint32_t crc = 0xffffffffu;

	for (size_t i = 0; i < length; i++) {
		crc ^= p[i];
		for (int bit = 0; bit < 8; bit++)
			crc = (crc >> 1) ^ (0xedb88320u & (0u - (crc & 1)));
	}
	return ~crc;
}

key_t ym_key_from_name(const char *name)
{
	uint32_t crc = ym_crc32(name, strlen(name));

	if (crc == 0)
		crc = 1;
	if (crc == 0xffffffffu)
		crc = 0xfffffffeu;
	return (key_t)crc;
}

static int parse_number(const char *text, key_t *key, struct ym_err *err)
{
	char *end;
	bool hex = text[0] == '0' && (text[1] == 'x' || text[1] == 'X');
	long long value;

	errno = 0;
	value = strtoll(text, &end, hex ? 16 : 10);
	/* strtoll() would take blanks and "+" in front. */
	if (end == text || *end || !strchr("-0123456789", text[0]))
		return ym_fail(err, YM_ERR_USAGE,
		               "\"%s\" is no key: write a number, 0xHEX, PATH:c (ftok) or name:TEXT (crc32)", text);
	if (errno || value > (long long)UINT32_MAX || value < INT32_MIN)
		return ym_fail(err, YM_ERR_USAGE, "key %s does not fit 32 bits", text);
	*key = (key_t)(uint32_t)value;
	if (*key == IPC_PRIVATE)
		return ym_fail(err, YM_ERR_USAGE, "key 0 is IPC_PRIVATE: it names no object that others could find");
	return 0;
}

int ym_key_parse(const char *text, key_t *key, struct ym_err *err)
{
	size_t length = strlen(text);
	char path[PATH_MAX];

	if (strncmp(text, "name:", 5) == 0) {
		if (!text[5])
			return ym_fail(err, YM_ERR_USAGE, "\"name:\" needs a text behind it");
		*key = ym_key_from_name(text + 5);
		return 0;
	}
	if (length >= 3 && text[length - 2] == ':') {
		if (length - 2 >= sizeof(path))
			return ym_fail(err, YM_ERR_USAGE, "the path of key \"%.40s...\" is too long", text);
		memcpy(path, text, length - 2);
		path[length - 2] = '\0';
		return ym_ftok(path, (unsigned char)text[length - 1], key, err);
	}
	return parse_number(text, key, err);
}

/* Make an empty file under a name of our own, then move it over `path`; the fd keeps its inode from being reused. */
static int replace_file(const char *path, int *fd, struct stat *st, struct ym_err *err)
{
	char temporary[PATH_MAX];

	if ((size_t)snprintf(temporary, sizeof(temporary), "%s.%ld", path, (long)getpid()) >= sizeof(temporary))
		return ym_fail(err, YM_ERR_USAGE, "path too long: %s", path);
	unlink(temporary);
	*fd = open(temporary, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0644);
	if (*fd < 0)
		return ym_fail_sys(err, errno, "open(\"%s\", O_CREAT) for a key file", temporary);
	if (fstat(*fd, st) < 0 || rename(temporary, path) < 0) {
		int saved = errno;

		unlink(temporary);
		close(*fd);
		return ym_fail_sys(err, saved, "rename(\"%s\", \"%s\") for a key file", temporary, path);
	}
	return 0;
}

/* Replace the file until its key is free. All rejected inodes stay open meanwhile: none can come back. */
static int remake(const char *path, ym_key_taken *taken, void *arg, key_t *key, struct ym_err *err)
{
	int fds[REMAKE_MAX], n = 0, result = -1;
	struct stat st;

	/* The file as it is (if it is) counts as rejected, too. */
	fds[0] = open(path, O_RDONLY | O_CLOEXEC);
	if (fds[0] >= 0)
		n = 1;
	while (n < REMAKE_MAX) {
		if (replace_file(path, &fds[n], &st, err) < 0)
			break;
		n++;
		*key = key_of_stat(&st, YM_KEY_PROJECT);
		if (*key != IPC_PRIVATE && *key != (key_t)-1 && !taken(*key, arg)) {
			result = 0;
			break;
		}
	}
	if (result < 0 && n == REMAKE_MAX)
		ym_fail(err, YM_ERR_FOREIGN, "no free key for %s after %d tries: see `ipcs`", path, n);
	while (n > 0)
		close(fds[--n]);
	return result;
}

int ym_keyfile(const char *directory, const char *name, ym_key_taken *taken, void *arg, key_t *key, struct ym_err *err)
{
	char path[PATH_MAX];
	struct stat st;

	if ((size_t)snprintf(path, sizeof(path), "%s/%s", directory, name) >= sizeof(path))
		return ym_fail(err, YM_ERR_USAGE, "path too long: %s/%s", directory, name);
	if (stat(path, &st) < 0) {
		if (errno != ENOENT)
			return ym_fail_sys(err, errno, "stat(\"%s\") to compute its key", path);
		if (!taken)
			return ym_fail(err, YM_ERR_NOT_RUNNING, "not running: there is no key file %s", path);
		return remake(path, taken, arg, key, err);
	}
	*key = key_of_stat(&st, YM_KEY_PROJECT);
	if (taken && (*key == IPC_PRIVATE || *key == (key_t)-1 || taken(*key, arg)))
		return remake(path, taken, arg, key, err);
	return 0;
}

bool ym_key_in_use(key_t key, void *arg)
{
	static const enum ym_object_kind kinds[] = {YM_OBJECT_SEGMENT, YM_OBJECT_QUEUE, YM_OBJECT_SEMAPHORE};
	int id;

	(void)arg;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (ym_object_behind(kinds[i], key, &id))
			return true;
	return false;
}
