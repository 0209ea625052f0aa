/* check.c - `yardmaster check FILE`: everything that would keep `run` from starting, without starting. */
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../config/store_uri.h"
#include "../../config/values.h"
#include "command.h"
#include "configured.h"

/* ---- where jobs wait --------------------------------------------------------------------------- */

/* Will the master run as we do? Of another user's permissions nothing is known here. */
static bool runs_as_us(const struct cfg_instance *instance)
{
	const struct passwd *user = instance->user ? getpwnam(instance->user) : NULL;
	uid_t uid = user ? user->pw_uid : instance->user ? (uid_t)strtoul(instance->user, NULL, 10) : geteuid();

	return uid == geteuid();
}

/* May we read and write this: 0, else why not, as errno. */
static int why_not_use(const char *path, int mode)
{
	return faccessat(AT_FDCWD, path, mode, AT_EACCESS) < 0 ? errno : 0;
}

/* What keeps sqlite from a file in a directory that is there; NULL: nothing. */
static const char *why_no_file(const char *path, bool ours)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return errno == ENOENT ? NULL : strerror(errno);
	if (!S_ISREG(st.st_mode))
		return "this is no regular file";
	errno = ours ? why_not_use(path, R_OK | W_OK) : 0;
	return errno ? strerror(errno) : NULL;
}

/* ... in that directory: sqlite keeps two more files beside the one, -wal and -shm. */
static const char *why_no_directory(const char *path, bool ours)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return strerror(errno);
	errno = !S_ISDIR(st.st_mode) ? ENOTDIR : ours ? why_not_use(path, W_OK | X_OK) : 0;
	return errno ? strerror(errno) : NULL;
}

/* Could a master make or open the file of the store? Nothing is made or opened here. 0 or an exit code. */
static int check_sqlite(const char *ini, const struct cfg_instance *instance)
{
	const char *path = cfg_store_rest(instance->store), *why;
	char directory[CFG_STORE_SHOWN_MAX];
	bool ours = runs_as_us(instance);

	snprintf(directory, sizeof(directory), "%.*s", (int)(strrchr(path, '/') - path), path);
	why = why_no_directory(*directory ? directory : "/", ours);
	if (why) {
		fprintf(stderr, "%s: store = %s: directory %s: %s: the master must be able to make files there\n", ini,
		        instance->store, directory, why);
		return ym_err_exit_code(YM_ERR_NO);
	}
	why = why_no_file(path, ours);
	if (why) {
		fprintf(stderr, "%s: store = %s: %s: the master must be able to read and write this file\n", ini,
		        instance->store, why);
		return ym_err_exit_code(YM_ERR_NO);
	}
	return 0;
}

/* "full", "normal", "full (a, b: normal)" */
static void print_synchronous(const struct config *config)
{
	const char *before = " (";
	size_t normal = 0;

	for (size_t i = 0; i < config->npools; i++)
		normal += config->pools[i].synchronous == CFG_SYNCHRONOUS_NORMAL;
	if (normal == config->npools) {
		printf("normal");
		return;
	}
	printf("full");
	for (size_t i = 0; i < config->npools; i++) {
		if (config->pools[i].synchronous != CFG_SYNCHRONOUS_NORMAL)
			continue;
		printf("%s%s", before, config->pools[i].name);
		before = ", ";
	}
	printf("%s", normal ? ": normal)" : "");
}

/* One line. */
static void print_store(const struct config *config)
{
	const struct cfg_instance *instance = &config->instance;
	enum cfg_store kind = cfg_store_kind(instance->store);
	char shown[CFG_STORE_SHOWN_MAX], time[CFG_NUMBER_MAX];

	printf("jobs wait in %s", cfg_store_shown(instance->store, shown));
	if (kind == CFG_STORE_MEMORY) {
		printf(": no disk, they survive every crash but a reboot\n");
		return;
	}
	if (kind == CFG_STORE_SQLITE) {
		printf(", synchronous ");
		print_synchronous(config);
	} else {
		printf(", shared by all nodes; this one is %s, lease %s",
		       instance->node ? instance->node : "named after host and instance",
		       cfg_format_duration(instance->lease_ms, time));
	}
	if (instance->history_ms)
		printf(", history %s\n", cfg_format_duration(instance->history_ms, time));
	else
		printf(", no history\n");
}

static void print_publish(const struct cfg_instance *instance)
{
	char size[CFG_NUMBER_MAX], keep[CFG_NUMBER_MAX];

	if (instance->publish == CFG_PUBLISH_NONE)
		return;
	printf("progress for PHP in a segment of %s; jobs that are over stay in it for %s\n",
	       cfg_format_size(instance->publish_size, size), cfg_format_duration(instance->publish_keep_ms, keep));
}

static int check(const struct args *args)
{
	struct config config;
	int64_t workers = 0;
	int code;

	if (args_flag(args, "options")) {
		config_print_options(stdout);
		return 0;
	}
	if (args->nrest == 0) {
		fprintf(stderr, "yardmaster check: name the INI file\n");
		return ym_err_exit_code(YM_ERR_USAGE);
	}
	code = configured_load(args->rest[0], &config);
	if (code)
		return code;
	if (cfg_store_kind(config.instance.store) == CFG_STORE_SQLITE)
		code = check_sqlite(args->rest[0], &config.instance);
	if (code) {
		config_free(&config);
		return code;
	}
	for (size_t i = 0; i < config.npools; i++)
		workers += config.pools[i].workers_max;
	printf("%s: ok: instance %s, pools: %zu, workers: %lld, limits: %zu, programs: %zu, crons: %zu\n",
	       args->rest[0], config.instance.name, config.npools, (long long)workers, config.nlimits, config.nprograms,
	       config.ncrons);
	if (config.npools)
		print_store(&config);
	print_publish(&config.instance);
	config_free(&config);
	return 0;
}

static const struct option_row options[] = {
    {"options", 0, NULL, "list every option of the INI with its default instead"},
    {0},
};

const struct command command_check = {
    .verb = "check",
    .usage = "FILE | --options",
    .summary = "check an INI file, its plugins and commands: every mistake with file:line",
    .options = options,
    .least = 0,
    .most = 1,
    .run = check,
};
