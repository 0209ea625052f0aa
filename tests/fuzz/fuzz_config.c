/*
 * fuzz_config.c - any bytes as an INI file.
 *
 * It is a configuration without problems, or there are problems, each with a line of the file and a text; never both. A
 * failed allocation is a problem. Keys that are no paths are keys for the rest of the program, too. What is left of
 * templates can be made final. A configuration does not differ from itself.
 */
#include "fuzz.h"

#include <fcntl.h>
#include <unistd.h>

#include "../../config/config.h"
#include "../../config/diff.h"
#include "../../config/expand.h"
#include "../../ipc/key.h"

/* The file, made anew for each input, alone in its directory: what it includes can only be itself. */
static char path[64];

static void remove_file(void)
{
	char *slash = strrchr(path, '/');

	unlink(path);
	*slash = '\0';
	rmdir(path);
}

static void write_file(const uint8_t *data, size_t size)
{
	static int fd = -1;

	if (fd < 0) {
		strcpy(path, "/tmp/fuzz-config-XXXXXX");
		CLAIM(mkdtemp(path) != NULL, "%s", path);
		strcat(path, "/f");
		fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
		atexit(remove_file);
	}
	CLAIM(fd >= 0 && ftruncate(fd, 0) == 0 && pwrite(fd, data, size, 0) == (ssize_t)size, "%zu bytes", size);
}

/* Other files, and there may be very many of them. */
static bool looks_outside(const uint8_t *data, size_t size)
{
	return memmem(data, size, "[include]", 9) && (memchr(data, '/', size) || memmem(data, size, "ENV_", 4));
}

static int lines_of(const uint8_t *data, size_t size)
{
	int lines = 1;

	for (size_t i = 0; i < size; i++)
		lines += data[i] == '\n';
	return lines;
}

static void claim_problems(const struct cfg_problems *problems, int lines)
{
	char *text;
	size_t size;
	FILE *to = open_memstream(&text, &size);

	CLAIM(to && problems->count > 0, "refused without a problem");
	for (size_t i = 0; i < problems->count; i++)
		CLAIM(problems->items[i].line >= 0 && problems->items[i].line <= lines && problems->items[i].text[0],
		      "line %d of %d: \"%s\"", problems->items[i].line, lines, problems->items[i].text);
	cfg_problems_print(path, problems, to);
	fclose(to);
	CLAIM(size > 0, "%zu problems, nothing printed", problems->count);
	free(text);
}

static void claim_process(const struct cfg_process *process)
{
	CLAIM(process->stopsignal > 0 && process->stopsignal < 65, "signal %lld", (long long)process->stopsignal);
	CLAIM((process->ready == CFG_READY_COMMAND) == (process->ready_command != NULL), "ready %d", process->ready);
	CLAIM(!process->stopasgroup || process->killasgroup, "stopasgroup alone");
	CLAIM(process->umask == CFG_INHERIT || (process->umask >= 0 && process->umask <= 0777), "umask %llo",
	      (unsigned long long)process->umask);
	for (char **name = process->depends_on; name && *name; name++)
		CLAIM(**name, "an empty name");
	for (size_t i = 0; i < process->nenvironment; i++)
		CLAIM(process->environment[i].key[0], "no name: %s", process->environment[i].value);
}

static void claim_final(const struct cfg_program *program, const char *text)
{
	char why[CFG_WHY_MAX], *out;

	if (!text)
		return;
	CLAIM(cfg_expand_process(text, program, program->numprocs_start, &out, why) == 0, "%s: %s", text, why);
	free(out);
}

static void claim_program(const struct cfg_program *program)
{
	const struct cfg_process *process = &program->process;

	CLAIM(program->command && program->command_words && program->command_words[0][0], "no command");
	CLAIM(program->numprocs > 0 && program->numprocs <= CFG_PROCESSES_MAX, "%lld", (long long)program->numprocs);
	claim_process(process);
	claim_final(program, program->process_name);
	claim_final(program, process->directory);
	claim_final(program, process->stdout_log.file);
	claim_final(program, process->stderr_log.file);
	for (char **word = program->command_words; *word; word++)
		claim_final(program, *word);
	for (char **word = process->ready_command; word && *word; word++)
		claim_final(program, *word);
	for (size_t i = 0; i < process->nenvironment; i++)
		claim_final(program, process->environment[i].value);
}

static void claim_same(const struct config *config)
{
	struct cfg_changes changes;

	CLAIM(cfg_diff(config, config, &changes) == 0 && changes.count == 0, "%zu changes", changes.count);
	cfg_changes_free(&changes);
}

static void claim_pool(const struct cfg_pool *pool)
{
	CLAIM(pool->workers_min >= 0 && pool->workers_min <= pool->workers_start && pool->workers_max > 0 &&
	          pool->workers_start <= pool->workers_max && pool->workers_max <= CFG_WORKERS_MAX,
	      "%lld..%lld workers, %lld at first", (long long)pool->workers_min, (long long)pool->workers_max,
	      (long long)pool->workers_start);
	CLAIM(pool->min_spare >= 0 && pool->min_spare <= pool->max_spare && pool->max_spare <= pool->workers_max,
	      "%lld..%lld spare", (long long)pool->min_spare, (long long)pool->max_spare);
	claim_process(&pool->process);
	CLAIM(!pool->plugin == !!pool->command && !pool->command == !pool->command_words, "plugin %s, command %s",
	      pool->plugin ? pool->plugin : "none", pool->command ? pool->command : "none");
	CLAIM(!pool->plugin || pool->plugin[0] == '/', "plugin %s", pool->plugin);
	CLAIM(!pool->command || (pool->command_words[0] && pool->command_words[0][0]), "command %s", pool->command);
	CLAIM((pool->on_crash == CFG_ON_CRASH_POOL) == (pool->on_crash_pool != NULL), "on_crash %d", pool->on_crash);
	CLAIM(pool->priority >= 0 && pool->priority <= 9 && pool->ageing_ms > 0 && !pool->retry_codes[0],
	      "priority %lld, ageing %lld", (long long)pool->priority, (long long)pool->ageing_ms);
	for (size_t i = 0; i < pool->nlimits; i++)
		CLAIM(pool->limits[i].units > 0, "%s:%lld", pool->limits[i].name, (long long)pool->limits[i].units);
}

static void claim_config(const struct config *config)
{
	struct ym_err err = {0};
	key_t key;

	CLAIM(config->instance.name && config->instance.name[0] && config->instance.log_level, "no name or log level");
	CLAIM(config->npools + config->nprograms > 0 && config->npools <= CFG_POOLS_MAX &&
	          config->nprograms <= CFG_PROGRAMS_MAX && config->nlimits <= CFG_LIMITS_MAX,
	      "%zu pools, %zu programs, %zu limits", config->npools, config->nprograms, config->nlimits);
	for (size_t i = 0; i < config->npools; i++)
		claim_pool(&config->pools[i]);
	for (size_t i = 0; i < config->nprograms; i++)
		claim_program(&config->programs[i]);
	for (size_t i = 0; i < config->ncrons; i++)
		CLAIM(config->crons[i].pool && config->crons[i].schedule && config->crons[i].payload, "cron %s",
		      config->crons[i].name);
	claim_same(config);
	for (size_t i = 0; i < config->nlimits; i++) {
		const char *text = config->limits[i].key;

		CLAIM(config->limits[i].max > 0 || config->limits[i].rate_ns > 0, "limit %s", config->limits[i].name);
		if (text && text[0] != '/')
			CLAIM(ym_key_parse(text, &key, &err) == 0, "%s", err.text);
	}
}

/* Which allocation fails follows from the input. */
static void claim_survives_no_memory(size_t pick, size_t allocations, int lines)
{
	struct cfg_problems problems = {0};
	struct config config;
	int result;

	fuzz_memory_start(1 + pick % allocations);
	result = config_load(path, &config, &problems);
	fuzz_memory_stop(NULL);
	CLAIM(result == -1, "allocation %zu of %zu failed", 1 + pick % allocations, allocations);
	claim_problems(&problems, lines);
	cfg_problems_free(&problems);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cfg_problems problems = {0};
	struct config config;
	size_t allocations;
	int result, lines = lines_of(data, size);

	if (looks_outside(data, size))
		return -1; /* not kept */
	write_file(data, size);
	fuzz_memory_start(0);
	result = config_load(path, &config, &problems);
	allocations = fuzz_memory_stop(NULL);
	if (result == 0) {
		CLAIM(problems.count == 0, "line %d: %s", problems.items[0].line, problems.items[0].text);
		claim_config(&config);
		config_free(&config);
	} else {
		claim_problems(&problems, lines);
	}
	cfg_problems_free(&problems);
	claim_survives_no_memory(size ? data[size / 2] + size : 0, allocations, lines);
	return 0;
}
