/*
 * fuzz_config.c - any bytes as an INI file.
 *
 * It is a configuration without problems, or there are problems, each with a line of the file and a text; never both. A
 * failed allocation is a problem. Keys that are no paths are keys for the rest of the program, too.
 */
#include "fuzz.h"

#include <sys/mman.h>
#include <unistd.h>

#include "../../config/config.h"
#include "../../ipc/key.h"

/* The file, made anew for each input. */
static char path[64];

static void write_file(const uint8_t *data, size_t size)
{
	static int fd = -1;

	if (fd < 0)
		fd = memfd_create("config", MFD_CLOEXEC);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	CLAIM(fd >= 0 && ftruncate(fd, 0) == 0 && pwrite(fd, data, size, 0) == (ssize_t)size, "%zu bytes", size);
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

static void claim_pool(const struct cfg_pool *pool)
{
	CLAIM(pool->workers > 0 && pool->workers <= CFG_WORKERS_MAX, "%lld workers", (long long)pool->workers);
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
	CLAIM(config->npools > 0 && config->npools <= CFG_POOLS_MAX && config->nlimits <= CFG_LIMITS_MAX,
	      "%zu pools, %zu limits", config->npools, config->nlimits);
	for (size_t i = 0; i < config->npools; i++)
		claim_pool(&config->pools[i]);
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
