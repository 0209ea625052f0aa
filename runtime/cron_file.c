/* cron_file.c - read and write what is known of the cron sections. */
#include "cron_file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../config/values.h"

#define FILE_NAME "cron"
/* Half a file must not look like one: it gets its name when it is whole. */
#define UNFINISHED "cron.new"

#define HEAD    "yardmaster cron 1"
#define NO_ZONE "-"

static int path_of(const char *directory, const char *name, char path[PATH_MAX], struct ym_err *err)
{
	if (snprintf(path, PATH_MAX, "%s/%s", directory, name) >= PATH_MAX)
		return ym_fail(err, YM_ERR_USAGE, "path too long: %s/%s", directory, name);
	return 0;
}

void cron_marks_free(struct cron_marks *marks)
{
	for (size_t i = 0; i < marks->n; i++) {
		free(marks->items[i].zone);
		free(marks->items[i].schedule);
	}
	free(marks->items);
	*marks = (struct cron_marks){0};
}

/* ---- read ------------------------------------------------------------------------------------ */

static bool number(const char *text, int64_t *out)
{
	char *end;

	errno = 0;
	*out = strtoll(text, &end, 10);
	return end != text && !*end && errno == 0;
}

/* SECONDS, or SECONDS JOB STORE. */
static bool read_last(char *text, struct cron_mark *mark)
{
	char *seconds = strsep(&text, " "), *job = strsep(&text, " "), *end;
	int64_t id = 0;

	if (!number(seconds, &mark->last))
		return false;
	if (!job)
		return true;
	if (!text || !number(job, &id) || id <= 0)
		return false;
	mark->job = (uint64_t)id;
	mark->store = strtoull(text, &end, 16);
	return end != text && !*end;
}

/* 0, -1 it is no such line, -2 without memory. */
static int read_mark(char *line, struct cron_marks *marks)
{
	char why[CFG_WHY_MAX], *name = strsep(&line, "\t"), *last = strsep(&line, "\t"), *zone = strsep(&line, "\t");
	struct cron_mark *more, *mark, read = {0};

	if (!line || !*line || !*zone || !read_last(last, &read) || cfg_check_name(name, CFG_NAME_MAX, why) < 0)
		return -1;
	more = realloc(marks->items, (marks->n + 1) * sizeof(*more));
	if (!more)
		return -2;
	marks->items = more;
	mark = &more[marks->n++];
	*mark = read;
	mark->schedule = strdup(line);
	strncpy(mark->name, name, sizeof(mark->name) - 1);
	if (strcmp(zone, NO_ZONE) != 0)
		mark->zone = strdup(zone);
	return mark->schedule && (mark->zone || strcmp(zone, NO_ZONE) == 0) ? 0 : -2;
}

/* The number of the line that is wrong, 0 if all are right; -1 without memory. */
static int read_lines(FILE *file, struct cron_marks *marks)
{
	char *line = NULL, end[32];
	size_t room = 0;
	ssize_t length;
	bool ended = false;
	int n = 0, wrong = 0;

	while (wrong == 0 && (length = getline(&line, &room, file)) > 0) {
		int result = 0;

		n++;
		/* A line that breaks off, or has a NUL byte in it. */
		if (ended || line[length - 1] != '\n' || strlen(line) != (size_t)length) {
			wrong = n;
			break;
		}
		line[length - 1] = '\0';
		snprintf(end, sizeof(end), "end %zu", marks->n);
		if (n == 1)
			result = strcmp(line, HEAD) == 0 ? 0 : -1;
		else if (strcmp(line, end) == 0)
			ended = true;
		else
			result = read_mark(line, marks);
		if (result < 0)
			wrong = result == -2 ? -1 : n;
	}
	free(line);
	return wrong || ended ? wrong : n + 1;
}

int cron_file_read(const char *directory, struct cron_marks *marks, struct ym_err *err)
{
	char path[PATH_MAX];
	FILE *file;
	int fd, wrong;

	*marks = (struct cron_marks){0};
	if (path_of(directory, FILE_NAME, path, err) < 0)
		return -1;
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd < 0 && errno == ENOENT)
		return 0;
	file = fd < 0 ? NULL : fdopen(fd, "r");
	if (!file) {
		ym_fail_sys(err, errno, "open(\"%s\") to see which cron jobs were missed", path);
		if (fd >= 0)
			close(fd);
		return -1;
	}
	wrong = read_lines(file, marks);
	fclose(file);
	if (wrong == 0)
		return 0;
	cron_marks_free(marks);
	if (wrong < 0)
		return ym_fail(err, YM_ERR_LIMIT, "no memory to read %s", path);
	return ym_fail(err, YM_ERR_CORRUPT, "%s is damaged in line %d", path, wrong);
}

/* ---- write ----------------------------------------------------------------------------------- */

int cron_file_write(const char *directory, const struct cron_marks *marks, struct ym_err *err)
{
	char path[PATH_MAX], unfinished[PATH_MAX];
	FILE *file;
	bool whole;
	int fd;

	if (path_of(directory, FILE_NAME, path, err) < 0 || path_of(directory, UNFINISHED, unfinished, err) < 0)
		return -1;
	fd = open(unfinished, O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC | O_NOFOLLOW, 0600);
	file = fd < 0 ? NULL : fdopen(fd, "w");
	if (!file) {
		ym_fail_sys(err, errno, "open(\"%s\") to note which cron jobs were submitted", unfinished);
		if (fd >= 0)
			close(fd);
		return -1;
	}
	fprintf(file, HEAD "\n");
	for (size_t i = 0; i < marks->n; i++) {
		const struct cron_mark *mark = &marks->items[i];

		fprintf(file, "%s\t%" PRId64, mark->name, mark->last);
		if (mark->job)
			fprintf(file, " %" PRIu64 " %" PRIx64, mark->job, mark->store);
		fprintf(file, "\t%s\t%s\n", mark->zone ? mark->zone : NO_ZONE, mark->schedule);
	}
	fprintf(file, "end %zu\n", marks->n);
	whole = fflush(file) == 0 && !ferror(file);
	if (fclose(file) == 0 && whole && rename(unfinished, path) == 0)
		return 0;
	ym_fail_sys(err, errno, "write(\"%s\") to note which cron jobs were submitted", unfinished);
	unlink(unfinished);
	return -1;
}
