/* outfit.c - brief, build and persona. */
#include "outfit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "brief.h"

/* ---- the brief ------------------------------------------------------------------------------- */

/* For the numbers among the options of a command. */
struct command_numbers {
	char output_max[32], stop_ms[32];
	char retry_codes[4 * CFG_EXIT_CODES];
};

/* The options of a command's pool begin with those of the command itself. Returns how many. */
static size_t brief_command(const struct cfg_pool *config, struct brief_option *options,
                            struct command_numbers *numbers)
{
	size_t n = 0, used = 0;

	if (!config->command)
		return 0;
	for (char **word = config->command_words; *word; word++)
		options[n++] = (struct brief_option){BRIEF_WORD, *word};
	snprintf(numbers->output_max, sizeof(numbers->output_max), "%lld", (long long)config->output_max);
	snprintf(numbers->stop_ms, sizeof(numbers->stop_ms), "%lld", (long long)config->timeout_grace_ms);
	numbers->retry_codes[0] = '\0';
	for (int code = 1; code < CFG_EXIT_CODES; code++)
		if (config->retry_codes[code])
			used += (size_t)snprintf(numbers->retry_codes + used, sizeof(numbers->retry_codes) - used,
			                         "%s%d", used ? "," : "", code);
	options[n++] = (struct brief_option){BRIEF_OUTPUT_MAX, numbers->output_max};
	options[n++] = (struct brief_option){BRIEF_STOP_MS, numbers->stop_ms};
	options[n++] = (struct brief_option){BRIEF_RETRY_CODES, numbers->retry_codes};
	return n;
}

static size_t count_words(char *const *words)
{
	size_t n = 0;

	while (words && words[n])
		n++;
	return n;
}

/* What the pool's workers do about themselves. */
static struct brief_numbers numbers_of(const struct yard *yard, const struct cfg_pool *config, uint32_t build)
{
	return (struct brief_numbers){
	    .build = build,
	    .max_jobs = config->max_jobs,
	    .max_memory = config->max_memory,
	    .jitter = config->recycle_jitter,
	    .orphan_ms = yard->config->orphan_timeout_ms,
	};
}

static int write_brief(const struct yard *yard, const struct cfg_pool *config, uint32_t build, struct ym_err *err)
{
	struct brief brief = {
	    .instance = yard->instance->name,
	    .directory = yard->instance->directory,
	    .pool = config->name,
	    .plugin = config->plugin ? config->plugin : "",
	    .numbers = numbers_of(yard, config, build),
	};
	struct command_numbers numbers;
	int fd;

	brief.options = calloc(count_words(config->command_words) + config->noptions + 8, sizeof(*brief.options));
	if (!brief.options)
		return ym_fail(err, YM_ERR_LIMIT, "out of memory");
	brief.noptions = brief_command(config, brief.options, &numbers);
	for (size_t i = 0; i < config->noptions; i++)
		brief.options[brief.noptions++] =
		    (struct brief_option){config->options[i].key, config->options[i].value};
	fd = brief_write(&brief, err);
	free(brief.options);
	return fd;
}

/* ---- the build ------------------------------------------------------------------------------- */

static uint32_t mix(uint32_t sum, const void *bytes, size_t size)
{
	for (size_t i = 0; i < size; i++)
		sum = (sum ^ ((const unsigned char *)bytes)[i]) * 16777619u; /* NOLINT(clang-analyzer-core.*) */
	return sum;
}

static uint32_t mix_text(uint32_t sum, const char *text)
{
	return text ? mix(sum, text, strlen(text) + 1) : mix(sum, "\1", 2);
}

/*
 * A number that is another one when a worker would be started differently: for the next master, which asks whether the
 * workers it finds are those it would start. The file's identity says that a plugin was built anew.
 */
static uint32_t build_of(const struct yard *yard, const struct cfg_pool *config)
{
	const struct cfg_process *process = &config->process;
	const char *file = config->plugin ? config->plugin : config->command_words[0];
	const struct brief_numbers numbers = numbers_of(yard, config, 0);
	const int64_t limits[] = {process->umask,
	                          process->clear_env,
	                          process->nice,
	                          process->rlimit_files,
	                          process->rlimit_core,
	                          process->rlimit_memory,
	                          process->rlimit_processes,
	                          process->rlimit_stack,
	                          process->rlimit_cpu,
	                          process->no_new_privs,
	                          process->cgroup_memory,
	                          process->redirect_stderr,
	                          config->output_max,
	                          config->timeout_grace_ms,
	                          numbers.max_jobs,
	                          numbers.max_memory,
	                          numbers.jitter,
	                          numbers.orphan_ms};
	uint32_t sum = mix(2166136261u, limits, sizeof(limits));
	struct stat st;

	sum = mix_text(sum, config->plugin);
	for (char **word = config->command_words; word && *word; word++)
		sum = mix_text(sum, *word);
	for (size_t i = 0; i < config->noptions; i++)
		sum = mix_text(mix_text(sum, config->options[i].key), config->options[i].value);
	for (size_t i = 0; i < config->nlimits; i++)
		sum = mix(mix_text(sum, config->limits[i].name), &config->limits[i].units, sizeof(int64_t));
	for (size_t i = 0; i < process->nenvironment; i++)
		sum = mix_text(mix_text(sum, process->environment[i].key), process->environment[i].value);
	sum = mix_text(mix_text(mix_text(sum, process->user), process->group), process->directory);
	sum = mix(sum, config->retry_codes, sizeof(config->retry_codes));
	if (stat(file, &st) == 0) {
		sum = mix(sum, &st.st_ino, sizeof(st.st_ino));
		sum = mix(sum, &st.st_mtim, sizeof(st.st_mtim));
	}
	return sum;
}

/* ---- all of it ------------------------------------------------------------------------------- */

int outfit_make(struct outfit *outfit, const struct yard *yard, const struct cfg_pool *config, struct ym_err *err)
{
	struct outfit made = {.brief = -1, .build = build_of(yard, config)};
	char cgroup[2 * TABLE_NAME_MAX];

	if (persona_make(&config->process, yard->config->ipc_group, &made.persona, err) < 0)
		return -1;
	snprintf(cgroup, sizeof(cgroup), "%s.%s", yard->instance->name, config->name);
	if (persona_cgroup(made.persona, "", cgroup, err) == 0)
		made.brief = write_brief(yard, config, made.build, err);
	if (made.brief < 0) {
		persona_free(made.persona);
		return -1;
	}
	outfit_free(outfit);
	*outfit = made;
	return 0;
}

void outfit_free(struct outfit *outfit)
{
	persona_free(outfit->persona);
	if (outfit->brief >= 0)
		close(outfit->brief);
	*outfit = (struct outfit){.brief = -1};
}
