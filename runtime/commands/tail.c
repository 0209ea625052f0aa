/* tail.c - read a log from its end. */
#include "tail.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "../log_backup.h"
#include "../log_format.h"

#define BLOCK 65536

/* Lines kept of one file: the last ones, whole, one behind the other. */
struct kept {
	char *bytes;
	size_t size, room;
	size_t lines;
};

static int out_of_memory(struct ym_err *err)
{
	return ym_fail(err, YM_ERR_LIMIT, "out of memory for the lines of a log");
}

static int keep(struct kept *kept, const char *bytes, size_t size, struct ym_err *err)
{
	if (size == 0)
		return 0;
	if (kept->size + size > kept->room) {
		size_t room = kept->room * 2 > kept->size + size ? kept->room * 2 : kept->size + size;
		char *more = realloc(kept->bytes, room);

		if (!more)
			return out_of_memory(err);
		kept->bytes = more;
		kept->room = room;
	}
	memcpy(kept->bytes + kept->size, bytes, size);
	kept->size += size;
	return 0;
}

/* Drop the oldest lines so that `lines` are left. */
static void forget(struct kept *kept, size_t lines)
{
	char *at = kept->bytes, *end = at + kept->size;

	if (kept->lines <= lines)
		return;
	for (; kept->lines > lines; kept->lines--)
		at = (char *)memchr(at, '\n', (size_t)(end - at)) + 1;
	kept->size = (size_t)(end - at);
	memmove(kept->bytes, at, kept->size);
}

static bool wanted(const struct tail *tail, const char *line, size_t length)
{
	return !tail->wanted || tail->wanted(tail->arg, line, length);
}

static void print(const struct tail *tail, const char *line, size_t length)
{
	char clean[LOG_LINE_MAX];

	/* Lines of a program's own file are as long as it likes. */
	for (size_t done = 0, n; tail->clean && done < length; done += n) {
		n = length - done < sizeof(clean) ? length - done : sizeof(clean);
		fwrite(clean, 1, log_clean(clean, sizeof(clean), line + done, n), stdout);
	}
	if (!tail->clean)
		fwrite(line, 1, length, stdout);
	putchar('\n');
}

/* ---- the last lines -------------------------------------------------------------------------- */

/* A piece of a file: keep its lines that are wanted, `part` what it ends with. `last`: that is a line, too. */
static int take(const struct tail *tail, struct kept *kept, struct kept *part, const char *bytes, size_t size,
                size_t lines, struct ym_err *err)
{
	const char *end = bytes + size, *nl;

	for (; (nl = memchr(bytes, '\n', (size_t)(end - bytes))); bytes = nl + 1) {
		if (keep(part, bytes, (size_t)(nl + 1 - bytes), err) < 0)
			return -1;
		if (wanted(tail, part->bytes, part->size - 1)) {
			if (keep(kept, part->bytes, part->size, err) < 0)
				return -1;
			kept->lines++;
		}
		part->size = 0;
		/* Now and then only: moving bytes for each line costs too much. */
		if (kept->lines > 2 * lines + 1024)
			forget(kept, lines);
	}
	return keep(part, bytes, (size_t)(end - bytes), err);
}

/* The last lines of a gzipped file; zlib reads plain ones just so. */
static int read_all(const struct tail *tail, int fd, size_t lines, struct kept *kept, struct kept *part,
                    struct ym_err *err)
{
	int own = fcntl(fd, F_DUPFD_CLOEXEC, 0), n, result = 0;
	gzFile file = own < 0 ? NULL : gzdopen(own, "rb");
	char block[BLOCK];

	if (!file)
		return out_of_memory(err);
	while (result == 0 && (n = gzread(file, block, sizeof(block))) > 0)
		result = take(tail, kept, part, block, (size_t)n, lines, err);
	gzclose(file);
	return result;
}

/* Where to begin in a plain file, for so many lines at most if they were all wanted. */
static off_t guess(int fd, size_t lines)
{
	char block[BLOCK];
	off_t at = lseek(fd, 0, SEEK_END);

	for (size_t found = 0; at > 0;) {
		size_t size = at < BLOCK ? (size_t)at : BLOCK;
		ssize_t n = pread(fd, block, size, at - (off_t)size);

		if (n <= 0)
			return 0;
		for (ssize_t i = n; i > 0; i--)
			if (block[i - 1] == '\n' && ++found > lines)
				return at - (off_t)size + i;
		at -= (off_t)size;
	}
	return 0;
}

/* The last `lines` of a file, fewer if it has no more. Leaves `fd` at the end of what was read. */
static int last_lines(const struct tail *tail, int fd, bool packed, size_t lines, struct kept *kept, struct kept *part,
                      struct ym_err *err)
{
	off_t from = packed || tail->wanted ? 0 : guess(fd, lines);

	if (lseek(fd, from, SEEK_SET) < 0)
		return ym_fail_sys(err, errno, "lseek() in the log %s", tail->path);
	if (packed) {
		if (read_all(tail, fd, lines, kept, part, err) < 0)
			return -1;
	} else {
		char block[BLOCK];
		ssize_t n;

		while ((n = TEMP_FAILURE_RETRY(read(fd, block, sizeof(block)))) > 0)
			if (take(tail, kept, part, block, (size_t)n, lines, err) < 0)
				return -1;
		if (n < 0)
			return ym_fail_sys(err, errno, "read() of the log %s", tail->path);
	}
	forget(kept, lines);
	return 0;
}

static int open_backup(const char *path, int64_t number, bool *packed)
{
	char name[PATH_MAX];
	int fd;

	for (int form = 0; form < 2; form++) {
		*packed = form == 1;
		log_backup_name(name, path, number, *packed);
		fd = open(name, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
		if (fd >= 0)
			return fd;
	}
	return -1;
}

/* The current file was renamed while we read: it is the first backup now. */
static bool same_file(int a, int b)
{
	struct stat one, other;

	return a >= 0 && fstat(a, &one) == 0 && fstat(b, &other) == 0 && one.st_ino == other.st_ino &&
	       one.st_dev == other.st_dev;
}

static int older(const struct tail *tail, int64_t number, size_t lines, struct ym_err *err);

/* Print what is wanted of the older files first, then these. */
static int print_after_older(const struct tail *tail, const struct kept *kept, int64_t number, size_t lines,
                             struct ym_err *err)
{
	const char *at = kept->bytes, *end = at + kept->size, *nl;

	if (kept->lines < lines && older(tail, number + 1, lines - kept->lines, err) < 0)
		return -1;
	for (; at && at < end && (nl = memchr(at, '\n', (size_t)(end - at))); at = nl + 1)
		print(tail, at, (size_t)(nl - at));
	return 0;
}

static int older(const struct tail *tail, int64_t number, size_t lines, struct ym_err *err)
{
	struct kept kept = {0}, part = {0};
	bool packed;
	int fd = open_backup(tail->path, number, &packed), result;

	if (fd < 0)
		return 0;
	if (same_file(tail->fd, fd)) {
		close(fd);
		return older(tail, number + 1, lines, err);
	}
	result = last_lines(tail, fd, packed, lines, &kept, &part, err);
	close(fd);
	/* A torn last line of an old file is a line. */
	if (result == 0 && part.size > 0)
		result = take(tail, &kept, &part, "\n", 1, lines, err);
	if (result == 0) {
		forget(&kept, lines);
		result = print_after_older(tail, &kept, number, lines, err);
	}
	free(kept.bytes);
	free(part.bytes);
	return result;
}

int tail_print(struct tail *tail, size_t lines, struct ym_err *err)
{
	struct kept kept = {0}, part = {0};
	int result = 0;

	tail->fd = open(tail->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (tail->fd < 0)
		return ym_fail_sys(err, errno, "open(\"%s\") of a log", tail->path);
	result = last_lines(tail, tail->fd, false, lines, &kept, &part, err);
	if (result == 0)
		result = print_after_older(tail, &kept, 0, lines, err);
	free(kept.bytes);
	tail->part = part.bytes;
	tail->part_size = part.size;
	tail->part_room = part.room;
	return result;
}

/* ---- following ------------------------------------------------------------------------------- */

static int read_more(struct tail *tail, struct ym_err *err)
{
	struct kept part = {tail->part, tail->part_size, tail->part_room, 0};
	char block[BLOCK];
	int result = 0;
	ssize_t n;

	while (result == 0 && (n = TEMP_FAILURE_RETRY(read(tail->fd, block, sizeof(block)))) != 0) {
		const char *at = block, *end = block + n, *nl;

		if (n < 0) {
			result = ym_fail_sys(err, errno, "read() of the log %s", tail->path);
			break;
		}
		for (; result == 0 && (nl = memchr(at, '\n', (size_t)(end - at))); at = nl + 1) {
			result = keep(&part, at, (size_t)(nl - at), err);
			if (result == 0 && wanted(tail, part.bytes, part.size))
				print(tail, part.bytes, part.size);
			part.size = 0;
		}
		if (result == 0)
			result = keep(&part, at, (size_t)(end - at), err);
	}
	tail->part = part.bytes;
	tail->part_size = part.size;
	tail->part_room = part.room;
	return result;
}

/* Truncated: from its beginning again. */
static void rewind_truncated(const struct tail *tail)
{
	struct stat st;

	if (fstat(tail->fd, &st) == 0 && st.st_size < lseek(tail->fd, 0, SEEK_CUR))
		lseek(tail->fd, 0, SEEK_SET);
}

int tail_more(struct tail *tail, struct ym_err *err)
{
	int next = open(tail->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	int result = 0;

	/* First the rest of the old file: it was complete when the new one was there. */
	if (tail->fd >= 0) {
		rewind_truncated(tail);
		result = read_more(tail, err);
	}
	if (next >= 0 && (tail->fd < 0 || !same_file(tail->fd, next))) {
		tail_close(tail);
		tail->fd = next;
		next = -1;
		if (result == 0)
			result = read_more(tail, err);
	}
	if (next >= 0)
		close(next);
	if (result == 0 && fflush(stdout) != 0)
		return ym_fail_sys(err, errno, "write() to standard output");
	return result;
}

void tail_close(struct tail *tail)
{
	if (tail->fd >= 0)
		close(tail->fd);
	free(tail->part);
	tail->fd = -1;
	tail->part = NULL;
	tail->part_size = tail->part_room = 0;
}
