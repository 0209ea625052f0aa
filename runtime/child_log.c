/* child_log.c - where the lines of a pool or program go. */
#include "child_log.h"

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../ipc/sys.h"
#include "log_file.h"
#include "log_format.h"
#include "log_writer.h"

/* PROGRAM:PROCESS */
#define NAME_BYTES 160

struct child_log {
	char name[NAME_BYTES];
	char voice_name[NAME_BYTES + 16];
	char place[PATH_MAX]; /* logs/NAME.log: the AUTO file, or the link */
	char file[PATH_MAX];  /* that is written to; "": none */
	enum child_log_style style;
	bool to_master;
	struct log_voice *voice;
};

static int make_place(struct child_log *log, const char *directory, const char *stream, struct ym_err *err)
{
	static const struct {
		const char *stream, *ending;
	} streams[] = {
#define X(stream, ending) {stream, ending},
	    CHILD_LOG_STREAM_MAP(X)
#undef X
	};
	char path[PATH_MAX];
	size_t i = 0;
	int n;

	while (i + 1 < sizeof(streams) / sizeof(streams[0]) && strcmp(stream, streams[i].stream) != 0)
		i++;
	snprintf(path, sizeof(path), "%s/" CHILD_LOG_DIRECTORY, directory);
	n = snprintf(log->place, sizeof(log->place), "%s/%s%s", path, log->name, streams[i].ending);
	snprintf(log->voice_name, sizeof(log->voice_name), "%s%s", log->name, i == 0 ? "" : " (stderr)");
	if (n < 0 || (size_t)n >= sizeof(log->place))
		return ym_fail(err, YM_ERR_USAGE, "the path of the log %s is longer than %d bytes", log->name,
		               PATH_MAX - 1);
	if (mkdir(path, 0750) < 0 && errno != EEXIST)
		return ym_fail_sys(err, errno, "mkdir(\"%s\") for the logs of the instance", path);
	return 0;
}

/* What is at logs/NAME.log must fit: a link to the configured file, or for AUTO no link. */
static int prepare_place(const struct child_log *log, bool own, struct ym_err *err)
{
	struct stat st;
	bool is_link = lstat(log->place, &st) == 0 && S_ISLNK(st.st_mode);

	if (own ? is_link : lstat(log->place, &st) == 0)
		if (unlink(log->place) < 0)
			return ym_fail_sys(err, errno, "unlink(\"%s\") of another log", log->place);
	if (own || !log->file[0] || log_file_standard(log->file) >= 0)
		return 0;
	if (symlink(log->file, log->place) < 0)
		return ym_fail_sys(err, errno, "symlink(\"%s\", \"%s\")", log->file, log->place);
	return 0;
}

static int open_voice(struct child_log *log, const struct cfg_log *config, struct ym_err *err)
{
	struct cfg_log wanted = *config;
	bool own = !config->file;
	struct ym_err why;
	int placed, result;

	log->to_master = own;
	snprintf(log->file, sizeof(log->file), "%s", own ? log->place : config->file);
	placed = prepare_place(log, own, &why);
	if (log->file[0]) {
		wanted.file = log->file;
		result = log_voice_open(&log->voice, log_thread(), &wanted, own, log->voice_name, err);
		if (result < 0)
			return result;
	}
	return placed < 0 ? ym_fail(err, why.class, "%s", why.text) : 0;
}

int child_log_open(struct child_log **out, const char *directory, const char *name, const char *stream,
                   enum child_log_style style, const struct cfg_log *config, struct ym_err *err)
{
	struct child_log *log = calloc(1, sizeof(*log));
	struct ym_err why;
	int placed, result;

	*out = log;
	if (!log)
		return ym_fail(err, YM_ERR_LIMIT, "out of memory for the log of %s", name);
	log->style = style;
	snprintf(log->name, sizeof(log->name), "%s", name);
	placed = make_place(log, directory, stream, &why);
	result = open_voice(log, config, err);
	return result == 0 && placed < 0 ? ym_fail(err, why.class, "%s", why.text) : result;
}

void child_log_line(struct child_log *log, const char *who, const char *text, size_t length)
{
	struct log_event event = {0, LOG_INFO, who, 0, text, length};
	char line[LOG_LINE_MAX];

	if (!log)
		return;
	if (log->to_master)
		log_output(who, text, length);
	if (!log->voice)
		return;
	event.when_ms = ym_unix_ms();
	if (log->style == CHILD_LOG_LABELLED || log->to_master) {
		log_voice_put(log->voice, event.when_ms, line, log_format(line, log_file_format(), &event));
		return;
	}
	length = length < sizeof(line) - 1 ? length : sizeof(line) - 1;
	memcpy(line, text, length);
	line[length] = '\n';
	log_voice_put(log->voice, event.when_ms, line, length + 1);
}

int child_log_apply(struct child_log *log, const struct cfg_log *config, struct ym_err *err)
{
	struct log_voice *before = log->voice;
	int result;

	if (strcmp(log->file, config->file ? config->file : log->place) == 0) {
		if (before)
			log_voice_apply(before, config);
		return 0;
	}
	log->voice = NULL;
	result = open_voice(log, config, err);
	log_voice_close(before);
	return result;
}

void child_log_close(struct child_log *log)
{
	if (!log)
		return;
	log_voice_close(log->voice);
	free(log);
}
