/* log.c - the master's own lines: at first on stderr, then through the thread that writes. */
#include "log.h"

#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../ipc/sys.h"
#include "log_format.h"
#include "log_writer.h"

#define OWN_NAME "master"

static enum log_level threshold = LOG_INFO;
static enum cfg_log_format format = CFG_LOG_FORMAT_AUTO; /* resolved by log_open() */
static struct log_writer *writer;
static struct log_voice *voice;
static char file[PATH_MAX];         /* that `voice` speaks into */
static char directory[PATH_MAX];    /* of the instance */
static unsigned long stderr_missed; /* lines that stderr did not take */

void log_set_level(const char *word)
{
	static const char *const words[] = {
#define X(name, word, priority) word,
	    LOG_LEVEL_MAP(X)
#undef X
	};

	for (unsigned i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (strcmp(words[i], word) == 0)
			threshold = (enum log_level)i;
}

/* ---- lines ----------------------------------------------------------------------------------- */

/* Without the thread. */
static void say(const struct log_event *event)
{
	char line[LOG_LINE_MAX], text[128];

	if (stderr_missed) {
		struct log_event note = {event->when_ms, LOG_WARN, OWN_NAME, getpid(), text, 0};

		note.length = (size_t)snprintf(text, sizeof(text),
		                               "%lu lines of this log were dropped: nobody read them", stderr_missed);
		if (log_stderr(line, log_format(line, log_format_resolve(format), &note)))
			stderr_missed = 0;
	}
	if (!log_stderr(line, log_format(line, log_format_resolve(format), event)))
		stderr_missed++;
}

static void emit(const struct log_event *event)
{
	char line[LOG_LINE_MAX];

	if (!voice)
		say(event);
	else
		log_voice_put(voice, event->when_ms, line, log_format(line, format, event));
}

void log_line(enum log_level level, const char *fmt, ...)
{
	struct log_event event = {ym_unix_ms(), level, OWN_NAME, getpid(), NULL, 0};
	char text[LOG_TEXT_MAX];
	va_list ap;
	int n;

	if (level < threshold)
		return;
	va_start(ap, fmt);
	n = vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	event.text = text;
	event.length = n < 0 ? 0 : (size_t)n < sizeof(text) ? (size_t)n : sizeof(text) - 1;
	emit(&event);
}

void log_output(const char *who, const char *text, size_t length)
{
	if (LOG_INFO >= threshold)
		emit(&(struct log_event){ym_unix_ms(), LOG_INFO, who, 0, text, length});
}

/* ---- the thread ------------------------------------------------------------------------------ */

struct log_writer *log_thread(void)
{
	return writer;
}

enum cfg_log_format log_file_format(void)
{
	return format == CFG_LOG_FORMAT_JSON ? CFG_LOG_FORMAT_JSON : CFG_LOG_FORMAT_TEXT;
}

static const char *file_of(const struct cfg_instance *config)
{
	return config->log.file && config->log.file[0] ? config->log.file : "/dev/stderr";
}

/* master.log in the instance directory: where people and `yardmaster logs --master` look. */
static int link_file(struct ym_err *err)
{
	char path[PATH_MAX + 16];
	struct stat st;

	snprintf(path, sizeof(path), "%s/master.log", directory);
	if (unlink(path) < 0 && errno != ENOENT)
		return ym_fail_sys(err, errno, "unlink(\"%s\") of the link to an old log", path);
	if (strncmp(file, "/dev/", 5) == 0 || (stat(file, &st) == 0 && !S_ISREG(st.st_mode)))
		return 0;
	if (symlink(file, path) < 0)
		return ym_fail_sys(err, errno, "symlink(\"%s\", \"%s\")", file, path);
	return 0;
}

static void set_format(const struct cfg_instance *config)
{
	format = log_format_resolve(config->log_format);
	/* Nobody takes the prefix off a file. */
	if (format == CFG_LOG_FORMAT_JOURNAL && strcmp(file_of(config), "/dev/stderr") != 0)
		format = CFG_LOG_FORMAT_TEXT;
	log_writer_format(writer, format);
}

/* Speak into another file, the old one is finished and closed. */
static int change_file(const struct cfg_instance *config, struct ym_err *err)
{
	struct cfg_log wanted = config->log;
	struct log_voice *before = voice;
	int result, linked;

	wanted.file = file;
	snprintf(file, sizeof(file), "%s", file_of(config));
	result = log_voice_open(&voice, writer, &wanted, false, OWN_NAME, err);
	log_writer_main(writer, voice);
	log_voice_close(before);
	linked = link_file(result == 0 ? err : NULL);
	return result < 0 ? result : linked;
}

int log_configure(const struct cfg_instance *config, struct ym_err *err)
{
	if (config->log_level)
		log_set_level(config->log_level);
	set_format(config);
	if (!voice || strcmp(file, file_of(config)) != 0)
		return change_file(config, err);
	log_voice_apply(voice, &config->log);
	return 0;
}

int log_open(const struct cfg_instance *config, const char *instance_directory, struct ym_err *err)
{
	if (log_writer_start(&writer, &(struct log_writer_options){0}, err) < 0)
		return -1;
	snprintf(directory, sizeof(directory), "%s", instance_directory);
	return log_configure(config, err);
}

void log_reopen(void)
{
	if (writer)
		log_writer_reopen(writer);
}

bool log_on_stderr(void)
{
	return !voice || strcmp(file, "/dev/stderr") == 0;
}

bool log_flush(int64_t patience_ms)
{
	return !writer || log_writer_flush(writer, patience_ms);
}

void log_close(int64_t patience_ms)
{
	if (!writer)
		return;
	log_writer_stop(writer, patience_ms);
	writer = NULL;
	voice = NULL;
}
