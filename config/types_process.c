/* types_process.c - values that only processes have: users, signals, limits of resources, commands, readiness. */
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "problems.h"
#include "types.h"
#include "words.h"

#define DELAY "delay:"
#define PROBE "command:"
#define RTMIN "RTMIN"
#define RTMAX "RTMAX"

/* ---- identity ---------------------------------------------------------------------------------- */

/* A number within 32 bits that is not the "no change" of setuid(); -1 if the text is none. */
static int64_t id_number(const char *text)
{
	char why[CFG_WHY_MAX];
	int64_t id;

	return !cfg_parse_integer(text, &id, why) && id >= 0 && id < UINT32_MAX ? id : -1;
}

int cfg_set_user(const struct cfg_option *option, const struct cfg_input *in)
{
	int64_t id = id_number(in->text);

	if (!getpwnam(in->text) && (id < 0 || !getpwuid((uid_t)id))) {
		snprintf(in->why, CFG_WHY_MAX, "there is no such user: `getent passwd` lists them");
		return -1;
	}
	return cfg_set_text(option, in);
}

int cfg_set_group(const struct cfg_option *option, const struct cfg_input *in)
{
	int64_t id = id_number(in->text);

	/* A number needs no name. */
	if (!getgrnam(in->text) && id < 0) {
		snprintf(in->why, CFG_WHY_MAX, "there is no such group: `getent group` lists them, or write a number");
		return -1;
	}
	return cfg_set_text(option, in);
}

/* ---- numbers ----------------------------------------------------------------------------------- */

/* RTMIN, RTMIN+2, RTMAX-1: the number; 0 if it is none. */
static int real_time(const char *text)
{
	bool low = !strncasecmp(text, RTMIN, strlen(RTMIN));
	char why[CFG_WHY_MAX];
	int64_t offset = 0, signal;

	if (!low && strncasecmp(text, RTMAX, strlen(RTMAX)))
		return 0;
	text += strlen(RTMIN);
	if (*text && (*text != (low ? '+' : '-') || cfg_parse_integer(text + 1, &offset, why) || offset < 0))
		return 0;
	if (offset > SIGRTMAX - SIGRTMIN)
		return 0;
	signal = low ? SIGRTMIN + offset : SIGRTMAX - offset;
	return (int)signal;
}

int cfg_parse_signal(const char *text, int64_t *out, char why[CFG_WHY_MAX])
{
	const char *name = text + (strncasecmp(text, "SIG", 3) ? 0 : 3);
	char number[CFG_WHY_MAX];

	if (!cfg_parse_integer(text, out, number) && *out > 0 && *out <= SIGRTMAX)
		return 0;
	*out = real_time(name);
	for (int i = 1; !*out && i < SIGRTMIN; i++) {
		const char *known = sigabbrev_np(i);

		if (known && !strcasecmp(name, known))
			*out = i;
	}
	if (*out)
		return 0;
	snprintf(why, CFG_WHY_MAX, "not a signal: write a name or number, such as TERM, SIGINT, RTMIN+1 or 15");
	return -1;
}

int cfg_parse_rlimit(const char *text, int64_t *out, char why[CFG_WHY_MAX])
{
	if (!strcasecmp(text, "unlimited")) {
		*out = CFG_UNLIMITED;
		return 0;
	}
	if (!cfg_parse_size(text, out, why) && *out != CFG_UNLIMITED)
		return 0;
	snprintf(why, CFG_WHY_MAX, "not a limit: write a number, a size such as 512mb, or unlimited");
	return -1;
}

int cfg_set_autorestart(const struct cfg_option *option, const struct cfg_input *in)
{
	enum cfg_autorestart *field = cfg_field(option, in->target);
	char why[CFG_WHY_MAX];
	int64_t boolean;

	if (cfg_parse_boolean(in->text, &boolean, why))
		return cfg_set_choice(option, in);
	*field = boolean ? CFG_AUTORESTART_YES : CFG_AUTORESTART_NO;
	return 0;
}

/* ---- commands ---------------------------------------------------------------------------------- */

/*
 * The words, the program's path made absolute if it is a path. NULL with the reason in in->why. What means something to
 * a shell is a mistake in our own sections; supervisord hands it on.
 */
static char **command_words(const struct cfg_option *option, const struct cfg_input *in, const char *text)
{
	bool plain = cfg_kind_dialect(option->kind) == CFG_DIALECT_SUPERVISORD;
	char **words = plain ? cfg_words_plain(text, in->why) : cfg_words(text, in->why), **absolute = NULL, *program;

	if (!words || !strchr(words[0], '/'))
		return words;
	program = cfg_resolve(in, words[0], "");
	if (program) {
		absolute = cfg_words_with(program, words);
		if (!absolute)
			cfg_no_memory(in);
	}
	free(program);
	free(words);
	return absolute;
}

void cfg_forget_command(const struct cfg_option *option, void *target)
{
	char ***words = cfg_field_beside(option, target);

	cfg_forget_text(option, target);
	free(*words);
	*words = NULL;
}

int cfg_set_command(const struct cfg_option *option, const struct cfg_input *in)
{
	char **words = command_words(option, in, in->text), *text;

	if (!words)
		return -1;
	text = strdup(in->text);
	if (!text) {
		free(words);
		return cfg_no_memory(in);
	}
	cfg_forget_command(option, in->target);
	*(char **)cfg_field(option, in->target) = text;
	*(char ***)cfg_field_beside(option, in->target) = words;
	return 0;
}

/* ---- readiness --------------------------------------------------------------------------------- */

/* The struct that a field is in. */
static struct cfg_process *process_of(const struct cfg_option *option, void *target)
{
	return (void *)((char *)target + (option->offset - offsetof(struct cfg_process, ready)));
}

void cfg_forget_ready(const struct cfg_option *option, void *target)
{
	struct cfg_process *process = process_of(option, target);

	free(process->ready_command);
	process->ready_command = NULL;
	process->ready_delay_ms = 0;
}

int cfg_set_ready(const struct cfg_option *option, const struct cfg_input *in)
{
	struct cfg_process *process = process_of(option, in->target);
	enum cfg_ready ready;
	char **words = NULL;
	int64_t delay = 0;

	if (!strncasecmp(in->text, DELAY, strlen(DELAY))) {
		if (cfg_parse_duration(in->text + strlen(DELAY), &delay, in->why))
			return -1;
		ready = CFG_READY_DELAY;
	} else if (!strncasecmp(in->text, PROBE, strlen(PROBE))) {
		words = command_words(option, in, in->text + strlen(PROBE));
		if (!words)
			return -1;
		ready = CFG_READY_COMMAND;
	} else {
		if (cfg_set_choice(option, in))
			return -1;
		ready = process->ready;
	}
	cfg_forget_ready(option, in->target);
	process->ready = ready;
	process->ready_delay_ms = delay;
	process->ready_command = words;
	return 0;
}

void cfg_show_ready(const struct cfg_option *option, const void *target, FILE *to)
{
	const struct cfg_process *process =
	    (const void *)((const char *)target + (option->offset - offsetof(struct cfg_process, ready)));
	char delay[CFG_NUMBER_MAX];

	if (process->ready == CFG_READY_DELAY) {
		fprintf(to, DELAY "%s", cfg_format_duration(process->ready_delay_ms, delay));
	} else if (process->ready == CFG_READY_COMMAND) {
		fprintf(to, PROBE);
		for (size_t i = 0; process->ready_command[i]; i++)
			fprintf(to, "%s%s", i ? " " : "", process->ready_command[i]);
	} else {
		cfg_show_choice(option, target, to);
	}
}
