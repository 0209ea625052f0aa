/* import_progress.c - the note of an import. */
#include "import_progress.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define HEAD "yardmaster import 1\n"

static int damaged(const char *path, struct ym_err *err)
{
	return ym_fail(err, YM_ERR_CORRUPT,
	               "%s is not the note of an import, or is damaged: give another file, or remove it to begin anew",
	               path);
}

static int add(struct import_progress *progress, struct import_line line, struct ym_err *err)
{
	struct import_line *lines = realloc(progress->lines, (progress->nlines + 1) * sizeof(*lines));

	if (!lines)
		return ym_fail(err, YM_ERR_LIMIT, "out of memory");
	progress->lines = lines;
	lines[progress->nlines++] = line;
	return 0;
}

/* The number behind these words; then *at is what follows it. */
static bool number_behind(const char *words, const char **at, uint64_t *number)
{
	size_t length = strlen(words);
	char *end;

	if (strncmp(*at, words, length) != 0 || !isdigit((unsigned char)(*at)[length]))
		return false;
	errno = 0;
	*number = strtoull(*at + length, &end, 10);
	*at = end;
	return errno == 0;
}

static int parse(struct import_progress *progress, const char *at, struct ym_err *err)
{
	struct import_line line;
	uint64_t n;

	if (!number_behind(HEAD "done ", &at, &progress->done) || !number_behind(" batch ", &at, &n))
		return damaged(progress->path, err);
	while (number_behind("\n", &at, &line.line) && number_behind(" ", &at, &line.id))
		if (add(progress, line, err) < 0)
			return -1;
	return progress->nlines == n && strcmp(at, "\n") == 0 ? 0 : damaged(progress->path, err);
}

static int read_note(struct import_progress *progress, FILE *file, struct ym_err *err)
{
	char *text = NULL;
	size_t room = 0;
	int result;

	if (getdelim(&text, &room, '\0', file) < 0)
		result = damaged(progress->path, err);
	else
		result = parse(progress, text, err);
	free(text);
	return result;
}

int import_progress_load(struct import_progress *progress, const char *path, struct ym_err *err)
{
	FILE *file = path ? fopen(path, "re") : NULL;
	int result = 0;

	*progress = (struct import_progress){.path = path};
	if (path && !file && errno != ENOENT)
		return ym_fail_sys(err, errno, "open(\"%s\") to see how far the import has come", path);
	if (!file)
		return 0;
	result = read_note(progress, file, err);
	fclose(file);
	return result;
}

int import_progress_note(const struct import_progress *progress, const struct import_line *lines, size_t n,
                         struct ym_err *err)
{
	char temporary[PATH_MAX];
	FILE *file;
	bool good;

	if (!progress->path)
		return 0;
	snprintf(temporary, sizeof(temporary), "%s.new", progress->path);
	file = fopen(temporary, "we");
	if (!file)
		return ym_fail_sys(err, errno, "open(\"%s\") to note how far the import has come", temporary);
	fprintf(file, HEAD "done %" PRIu64 " batch %zu\n", lines[0].line - 1, n);
	for (size_t i = 0; i < n; i++)
		fprintf(file, "%" PRIu64 " %" PRIu64 "\n", lines[i].line, lines[i].id);
	errno = 0;
	good = fflush(file) == 0 && !ferror(file) && fsync(fileno(file)) == 0;
	good = fclose(file) == 0 && good;
	if (good && rename(temporary, progress->path) == 0)
		return 0;
	ym_fail_sys(err, errno, "write(\"%s\") to note how far the import has come", temporary);
	unlink(temporary);
	return -1;
}

void import_progress_end(struct import_progress *progress)
{
	if (progress->path)
		unlink(progress->path);
}

void import_progress_free(struct import_progress *progress)
{
	free(progress->lines);
	progress->lines = NULL;
	progress->nlines = 0;
}

bool import_progress_id(const struct import_progress *progress, uint64_t line, uint64_t *id)
{
	for (size_t i = 0; i < progress->nlines; i++)
		if (progress->lines[i].line == line) {
			*id = progress->lines[i].id;
			return true;
		}
	return false;
}
