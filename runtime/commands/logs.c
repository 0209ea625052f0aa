/* logs.c - `yardmaster logs`: what the processes of a pool or program printed, with or without a master. */
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../config/nearest.h"
#include "../../ipc/sys.h"
#include "../child_log.h"
#include "../text.h"
#include "command.h"
#include "tail.h"

#define LINES_DEFAULT 20
#define LINES_MAX     10000000
#define LOOK_NS       200000000

static const char *const endings[] = {
#define X(stream, ending) ending,
    CHILD_LOG_STREAM_MAP(X)
#undef X
};
static const char *const streams[] = {
#define X(stream, ending) stream,
    CHILD_LOG_STREAM_MAP(X)
#undef X
};

#define NSTREAMS ((int)(sizeof(endings) / sizeof(endings[0])))

/* "mail.log" is the first stream of mail; -1: it is no log (but, say, an old one). */
static int stream_of(const char *file, size_t *length)
{
	for (int i = 0; i < NSTREAMS; i++) {
		*length = strlen(file) - (strlen(file) < strlen(endings[i]) ? 0 : strlen(endings[i]));
		if (*length > 0 && strcmp(file + *length, endings[i]) == 0)
			return i;
	}
	return -1;
}

static int no_logs(const struct instance *instance, struct ym_err *err)
{
	return ym_fail(err, YM_ERR_NOT_RUNNING, "instance %s has no logs (in %s/" CHILD_LOG_DIRECTORY ")",
	               instance->name, instance->directory);
}

/* ---- the list -------------------------------------------------------------------------------- */

static void list_one(int width, const char *name, const char *stream, const char *link)
{
	char path[PATH_MAX], size[TEXT_MAX] = "-", age[TEXT_MAX] = "-";
	struct stat st;

	if (!realpath(link, path)) {
		ssize_t n = readlink(link, path, sizeof(path) - 1);

		path[n < 0 ? 0 : n] = '\0';
	} else if (stat(path, &st) == 0) {
		int64_t old = ym_unix_ms() - ((int64_t)st.st_mtim.tv_sec * 1000 + st.st_mtim.tv_nsec / 1000000);

		text_amount((double)st.st_size, true, size);
		text_duration(old < 0 ? 0 : (uint64_t)old * 1000000u, age);
	}
	printf("%-*s %-7s %10s %8s  %s\n", width, name, stream, size, age, path);
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static int list(const struct instance *instance, struct ym_err *err)
{
	char directory[PATH_MAX], path[2 * PATH_MAX];
	struct dirent **entries;
	int n, width = 20;

	snprintf(directory, sizeof(directory), "%s/" CHILD_LOG_DIRECTORY, instance->directory);
	n = scandir(directory, &entries, NULL, by_name);
	if (n < 0 && errno == ENOENT)
		return no_logs(instance, err);
	if (n < 0)
		return ym_fail_sys(err, errno, "scandir(\"%s\")", directory);
	for (int i = 0; i < n; i++) {
		size_t length;

		if (stream_of(entries[i]->d_name, &length) >= 0 && (int)length > width)
			width = (int)length;
	}
	printf("%-*s %-7s %10s %8s  %s\n", width, "NAME", "STREAM", "SIZE", "WRITTEN", "FILE");
	snprintf(path, sizeof(path), "%s/master.log", instance->directory);
	if (access(path, F_OK) == 0)
		list_one(width, "(master)", "-", path);
	for (int i = 0; i < n; i++) {
		size_t length;
		int stream = stream_of(entries[i]->d_name, &length);

		snprintf(path, sizeof(path), "%s/%s", directory, entries[i]->d_name);
		entries[i]->d_name[length] = '\0';
		if (stream >= 0)
			list_one(width, entries[i]->d_name, streams[stream], path);
		free(entries[i]);
	}
	free(entries);
	return 0;
}

/* ---- one log --------------------------------------------------------------------------------- */

static int unknown(const struct instance *instance, const char *name, int stream, struct ym_err *err)
{
	struct cfg_nearest near = {.word = name};
	char directory[PATH_MAX], best[NAME_MAX + 1] = "";
	struct dirent **entries;
	int n;

	snprintf(directory, sizeof(directory), "%s/" CHILD_LOG_DIRECTORY, instance->directory);
	n = scandir(directory, &entries, NULL, by_name);
	if (n < 0)
		return no_logs(instance, err);
	for (int i = 0; i < n; i++) {
		size_t length;
		bool fits = stream_of(entries[i]->d_name, &length) == stream;

		entries[i]->d_name[fits ? length : 0] = '\0';
		if (fits)
			cfg_nearest_offer(&near, entries[i]->d_name);
	}
	if (near.best)
		snprintf(best, sizeof(best), "%s", near.best);
	/* Each process has a log of its own. */
	for (int i = 0; !best[0] && i < n; i++)
		if (strncmp(entries[i]->d_name, name, strlen(name)) == 0 && entries[i]->d_name[strlen(name)] == ':')
			snprintf(best, sizeof(best), "%s", entries[i]->d_name);
	for (int i = 0; i < n; i++)
		free(entries[i]);
	free(entries);
	return ym_fail(err, YM_ERR_USAGE,
	               "instance %s has no log of the %s of \"%.80s\"%s%s%s; `yardmaster logs` lists what there is",
	               instance->name, streams[stream], name, best[0] ? ": did you mean \"" : "", best,
	               best[0] ? "\"?" : "");
}

static int find_log(const struct args *args, const struct instance *instance, char path[PATH_MAX], struct ym_err *err)
{
	bool master = args_flag(args, "master");
	int stream = args_flag(args, "stderr") ? 1 : 0;
	const char *name = args->nrest ? args->rest[0] : NULL;
	char link[2 * PATH_MAX];
	struct stat st;

	if (master == (name != NULL) || (master && (stream || args_value(args, "worker"))))
		return ym_fail(err, YM_ERR_USAGE, "give the name of a pool or program, or --master");
	if (master)
		snprintf(link, sizeof(link), "%s/master.log", instance->directory);
	else
		snprintf(link, sizeof(link), "%s/" CHILD_LOG_DIRECTORY "/%s%s", instance->directory, name,
		         endings[stream]);
	if ((name && strchr(name, '/')) || lstat(link, &st) < 0)
		return master ? ym_fail(err, YM_ERR_NO,
		                        "the log of instance %s is no file: it goes to the stderr of its master",
		                        instance->name)
		              : unknown(instance, name, stream, err);
	if (!realpath(link, path))
		return ym_fail_sys(err, errno, "realpath(\"%s\") of a log", link);
	return 0;
}

/* ---- one worker ------------------------------------------------------------------------------ */

struct worker {
	const char *name;
	int64_t number;
};

/* "mail/3", or "web:web_03" of a program's process. */
static bool is_worker(const struct worker *worker, const char *who, size_t length)
{
	size_t name = strlen(worker->name), digits = length;
	int64_t number = 0;

	while (digits > 0 && who[digits - 1] >= '0' && who[digits - 1] <= '9')
		digits--;
	if (length - digits > 9 || length == digits || length <= name || strncmp(who, worker->name, name) != 0)
		return false;
	if (who[name] == '/' ? digits != name + 1 : who[name] != ':')
		return false;
	for (size_t i = digits; i < length; i++)
		number = number * 10 + (who[i] - '0');
	return number == worker->number;
}

/* In "TIME LEVEL WHO: TEXT" and in JSON. */
static bool by_worker(const void *arg, const char *line, size_t length)
{
	static const char source[] = "\"source\": \"";
	const char *end = line + length, *who = line, *after;

	if (length > 0 && *line == '{') {
		who = memmem(line, length, source, sizeof(source) - 1);
		who = who ? who + sizeof(source) - 1 : end;
		after = memchr(who, '"', (size_t)(end - who));
		return after && is_worker(arg, who, (size_t)(after - who));
	}
	for (int words = 0; words < 2; words++) {
		who = memchr(who, ' ', (size_t)(end - who));
		if (!who)
			return false;
		while (who < end && *who == ' ')
			who++;
	}
	after = memmem(who, (size_t)(end - who), ": ", 2);
	return after && is_worker(arg, who, (size_t)(after - who));
}

/* ---- the command ----------------------------------------------------------------------------- */

static int follow(struct tail *tail, struct ym_err *err)
{
	/* Ctrl-C ends it as it ends tail: by the signal. */
	while (tail_more(tail, err) == 0)
		ym_nap(LOOK_NS);
	return -1;
}

/* Most programs say what is wrong on stderr, which is a log of its own. */
static void hint(const struct args *args, const struct instance *instance, const char *path)
{
	char other[2 * PATH_MAX];
	struct stat st;

	if (args_flag(args, "stderr") || args->nrest == 0 || stat(path, &st) < 0 || st.st_size > 0)
		return;
	snprintf(other, sizeof(other), "%s/" CHILD_LOG_DIRECTORY "/%s%s", instance->directory, args->rest[0],
	         endings[1]);
	if (stat(other, &st) == 0 && st.st_size > 0)
		fprintf(stderr, "yardmaster: nothing on stdout; for what %s printed on stderr: --stderr\n",
		        args->rest[0]);
}

static int show(const struct args *args, const struct instance *instance, struct ym_err *err)
{
	bool following = args_flag(args, "follow");
	struct worker worker = {.name = args->nrest ? args->rest[0] : ""};
	char path[PATH_MAX];
	struct tail tail = {.path = path, .fd = -1, .arg = &worker, .clean = isatty(STDOUT_FILENO) == 1};
	int64_t lines;
	int result;

	if (args_int(args, "lines", 0, LINES_MAX, LINES_DEFAULT, &lines, err) < 0 ||
	    args_int(args, "worker", 0, INT32_MAX, -1, &worker.number, err) < 0 ||
	    find_log(args, instance, path, err) < 0)
		return -1;
	if (worker.number >= 0)
		tail.wanted = by_worker;
	result = tail_print(&tail, (size_t)lines, err);
	if (result == 0)
		hint(args, instance, path);
	if (result == 0 && following)
		result = follow(&tail, err);
	tail_close(&tail);
	return result;
}

static int logs(const struct args *args)
{
	struct instance instance;
	struct ym_err err;
	bool all = args->nrest == 0 && !args_flag(args, "master");

	if (args_instance(args, &instance, &err) < 0)
		return command_fail(&err);
	if ((all && !args_flag(args, "follow") ? list(&instance, &err) : show(args, &instance, &err)) == 0)
		return 0;
	/* A closed pipe is the reader's wish, as everywhere. */
	return err.sys == EPIPE ? 0 : command_fail(&err);
}

static const struct option_row options[] = {
    INSTANCE_OPTIONS,
    {"lines", 'n', "LINES", "how many of the last lines (default 20), from old files, too"},
    {"follow", 'f', NULL, "then print what comes, until Ctrl-C"},
    {"stderr", 0, NULL, "what was printed on stderr, if that has a log of its own"},
    {"worker", 'w', "N", "only the lines of worker (or process) number N"},
    {"master", 0, NULL, "the master's own log, if that is a file"},
    {0},
};

const struct command command_logs = {
    .verb = "logs",
    .usage = "[NAME | --master] [OPTIONS]",
    .summary = "the last lines of a pool or program; without a NAME: which logs there are",
    .text = "No master is needed: the files stay when the instance stops. Lines of a program with a stdout_logfile of\n"
	    "its own do not say which process wrote them: there, --worker finds nothing.",
    .options = options,
    .most = 1,
    .run = logs,
    .group = COMMAND_GROUP_LOOK,
};
