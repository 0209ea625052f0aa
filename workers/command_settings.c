/* command_settings.c - options to settings, the search path, the environment. */
#include "command_settings.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../runtime/brief.h"
#include "command.h"
#include "command_words.h"

#define OUTPUT_MAX_DEFAULT (1u << 20)
#define STOP_MS_DEFAULT    5000
#define RETRY_DEFAULT      75 /* EX_TEMPFAIL of <sysexits.h> */

/* What execvp() takes without a PATH. */
#define SEARCH_DEFAULT "/bin:/usr/bin"

/* ---- the keys with a dot --------------------------------------------------------------------- */

static int read_number(const char *value, uint64_t *number, const char *key, struct ym_err *err)
{
	char *end;

	*number = strtoull(value, &end, 10);
	if (!isdigit((unsigned char)*value) || *end)
		return ym_fail(err, YM_ERR_CONFIG, "%s is \"%s\", which is no number", key, value);
	return 0;
}

static int read_word(struct command_settings *settings, const char *value, struct ym_err *err)
{
	(void)err;
	settings->words[settings->nwords++] = value;
	return 0;
}

static int read_output_max(struct command_settings *settings, const char *value, struct ym_err *err)
{
	return read_number(value, &settings->output_max, BRIEF_OUTPUT_MAX, err);
}

static int read_stop_ms(struct command_settings *settings, const char *value, struct ym_err *err)
{
	return read_number(value, &settings->stop_ms, BRIEF_STOP_MS, err);
}

/* Replaces the default; an empty list means that no code asks for another attempt. */
static int read_retry_codes(struct command_settings *settings, const char *value, struct ym_err *err)
{
	memset(settings->retry, 0, sizeof(settings->retry));
	for (const char *at = value; *at;) {
		char *end;
		unsigned long code;

		if (*at == ',' || isspace((unsigned char)*at)) {
			at++;
			continue;
		}
		code = strtoul(at, &end, 10);
		if (end == at || !isdigit((unsigned char)*at) || code < 1 || code > 255)
			return ym_fail(err, YM_ERR_CONFIG,
			               BRIEF_RETRY_CODES " is \"%s\": exit codes from 1 to 255 are meant, "
			                                 "with commas between them",
			               value);
		settings->retry[code] = true;
		at = end;
	}
	return 0;
}

static const struct {
	const char *key;
	int (*read)(struct command_settings *settings, const char *value, struct ym_err *err);
} keys[] = {
    {BRIEF_WORD, read_word},
    {BRIEF_OUTPUT_MAX, read_output_max},
    {BRIEF_RETRY_CODES, read_retry_codes},
    {BRIEF_STOP_MS, read_stop_ms},
};

static int read_key(struct command_settings *settings, const struct ym_option *option, struct ym_err *err)
{
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		if (strcmp(option->key, keys[i].key) == 0)
			return keys[i].read(settings, option->value, err);
	return ym_fail(err, YM_ERR_CONFIG, "a command has no setting \"%s\"", option->key);
}

/* ---- the environment ------------------------------------------------------------------------- */

static char *text(const char *format, ...) __attribute__((format(printf, 1, 2)));

static char *text(const char *format, ...)
{
	char *made;
	va_list ap;
	int size;

	va_start(ap, format);
	size = vasprintf(&made, format, ap);
	va_end(ap);
	return size < 0 ? NULL : made;
}

/* Of "KEY=VALUE" or "KEY". */
static size_t key_size(const char *entry)
{
	return strcspn(entry, "=");
}

static bool same_key(const char *a, const char *b)
{
	return key_size(a) == key_size(b) && strncmp(a, b, key_size(a)) == 0;
}

/* Puts it in the place of an entry with the same key, or behind the others. */
static int set_entry(char **envp, size_t *count, char *entry, struct ym_err *err)
{
	size_t at = 0;

	if (!entry)
		return ym_fail(err, YM_ERR_LIMIT, "out of memory for the environment of a command");
	while (at < *count && !same_key(envp[at], entry))
		at++;
	if (at < *count)
		free(envp[at]);
	else
		++*count;
	envp[at] = entry;
	return 0;
}

static int read_variable(const struct ym_option *option, struct ym_err *err)
{
	if (!*option->key || strchr(option->key, '='))
		return ym_fail(err, YM_ERR_CONFIG, "\"%s\" is no name of an environment variable", option->key);
	if (strncmp(option->key, COMMAND_PREFIX, strlen(COMMAND_PREFIX)) == 0)
		return ym_fail(err, YM_ERR_CONFIG, "%s: what begins with " COMMAND_PREFIX " is set for each job",
		               option->key);
	return 0;
}

static int make_environment(struct command_settings *settings, const struct ym_plugin_config *config,
                            struct ym_err *err)
{
	size_t count = 0, room = COMMAND_NVARIABLES + config->noptions + 1;
	int result = 0;

	for (char **entry = environ; *entry; entry++)
		room++;
	settings->envp = calloc(room, sizeof(*settings->envp));
	settings->variables = calloc(COMMAND_NVARIABLES, sizeof(*settings->variables));
	if (!settings->envp || !settings->variables)
		return ym_fail(err, YM_ERR_LIMIT, "out of memory for the environment of a command");
	/* A command that starts Yardmaster again must not have two of them. */
	for (char **entry = environ; *entry && result == 0; entry++)
		if (strncmp(*entry, COMMAND_PREFIX, strlen(COMMAND_PREFIX)) != 0)
			result = set_entry(settings->envp, &count, strdup(*entry), err);
	for (size_t i = 0; i < config->noptions && result == 0; i++) {
		const struct ym_option *option = &config->options[i];

		if (option->key[0] == '.')
			continue;
		result = read_variable(option, err);
		if (result == 0)
			result = set_entry(settings->envp, &count, text("%s=%s", option->key, option->value), err);
	}
	if (result < 0)
		return -1;
	for (int i = 0; i < COMMAND_NVARIABLES; i++)
		settings->envp[count++] = settings->variables[i];
	return 0;
}

void command_settings_tell(struct command_settings *settings, enum command_variable which, const char *format, ...)
{
	static const char *const names[] = {
#define X(name) COMMAND_PREFIX #name "=",
	    COMMAND_VARIABLES(X)
#undef X
	};
	char *variable = settings->variables[which];
	size_t size = strlen(names[which]);
	va_list ap;

	memcpy(variable, names[which], size);
	va_start(ap, format);
	vsnprintf(variable + size, COMMAND_VARIABLE_MAX - size, format, ap);
	va_end(ap);
}

/* ---- the program ----------------------------------------------------------------------------- */

static const char *find_search(const struct command_settings *settings)
{
	for (char **entry = settings->envp; *entry; entry++)
		if (same_key(*entry, "PATH") && (*entry)[key_size(*entry)])
			return *entry + key_size(*entry) + 1;
	return SEARCH_DEFAULT;
}

/* One candidate for each directory of PATH; an empty one means the directory we are in. */
static int make_paths(struct command_settings *settings, struct ym_err *err)
{
	const char *program = settings->words[0], *at;
	size_t count = 0, room = 2;

	settings->search = strchr(program, '/') ? NULL : find_search(settings);
	for (at = settings->search; at && *at; at++)
		room += *at == ':';
	settings->paths = calloc(room, sizeof(*settings->paths));
	if (!settings->paths)
		return ym_fail(err, YM_ERR_LIMIT, "out of memory for the path of a command");
	if (!settings->search)
		settings->paths[count++] = strdup(program);
	for (at = settings->search; at; at = *at ? at + 1 : NULL) {
		int size = (int)strcspn(at, ":");

		settings->paths[count++] = text("%.*s%s%s", size, at, size > 0 ? "/" : "", program);
		at += size;
	}
	for (size_t i = 0; i < count; i++)
		if (!settings->paths[i])
			return ym_fail(err, YM_ERR_LIMIT, "out of memory for the path of a command");
	return 0;
}

static int check_words(const struct command_settings *settings, struct ym_err *err)
{
	if (settings->nwords == 0 || !*settings->words[0])
		return ym_fail(err, YM_ERR_CONFIG, "the command is empty: name a program");
	/* Whoever may submit a job would say which program runs. */
	if (command_word_uses(settings->words[0]) != 0)
		return ym_fail(err, YM_ERR_CONFIG, "the program is \"%s\": the payload cannot stand in its name",
		               settings->words[0]);
	return 0;
}

int command_settings_read(struct command_settings *settings, const struct ym_plugin_config *config, struct ym_err *err)
{
	int result = 0;

	*settings = (struct command_settings){
	    .pool = config->pool,
	    .words = calloc(config->noptions + 1, sizeof(*settings->words)),
	    .output_max = OUTPUT_MAX_DEFAULT,
	    .stop_ms = STOP_MS_DEFAULT,
	    .retry[RETRY_DEFAULT] = true,
	};
	if (!settings->words)
		return ym_fail(err, YM_ERR_LIMIT, "out of memory for the words of a command");
	for (size_t i = 0; i < config->noptions && result == 0; i++)
		if (config->options[i].key[0] == '.')
			result = read_key(settings, &config->options[i], err);
	if (result == 0)
		result = check_words(settings, err);
	if (result == 0)
		result = make_environment(settings, config, err);
	if (result == 0)
		result = make_paths(settings, err);
	if (result == 0)
		return 0;
	command_settings_free(settings);
	return -1;
}

void command_settings_free(struct command_settings *settings)
{
	const char *ours = (const char *)settings->variables;

	for (char **path = settings->paths; path && *path; path++)
		free(*path);
	/* Those of the job are at the end, in one piece. */
	for (char **entry = settings->envp; entry && *entry && *entry != ours; entry++)
		free(*entry);
	free(settings->paths);
	free(settings->envp);
	free(settings->variables);
	free(settings->words);
	*settings = (struct command_settings){0};
}
