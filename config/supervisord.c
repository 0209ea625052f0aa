/* supervisord.c - [supervisord] as values of the instance and defaults of programs; words that have no effect. */
#include "supervisord.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

#define NO_EVENTS "there are no events; the output goes to the log file as always"
#define NO_SYSLOG "there is no syslog; the output goes to the log file, and under systemd also to the journal"

static const struct {
	enum cfg_kind kind;
	const char *name, *why;
} unsupported[] = {
    {CFG_PROGRAM, "stdout_capture_maxbytes", NO_EVENTS},
    {CFG_PROGRAM, "stderr_capture_maxbytes", NO_EVENTS},
    {CFG_PROGRAM, "stdout_events_enabled", NO_EVENTS},
    {CFG_PROGRAM, "stderr_events_enabled", NO_EVENTS},
    {CFG_PROGRAM, "stdout_syslog", NO_SYSLOG},
    {CFG_PROGRAM, "stderr_syslog", NO_SYSLOG},
    {CFG_PROGRAM, "serverurl", "there is no XML-RPC interface, so processes are told no URL"},
    {CFG_SUPERVISORD, "nodaemon", "`yardmaster run` stays in the foreground, with -d it does not"},
    {CFG_SUPERVISORD, "silent", "the log goes to `logfile`, or to stderr"},
    {CFG_SUPERVISORD, "minfds", "set `rlimit_files` in the sections that need more open files"},
    {CFG_SUPERVISORD, "minprocs", "set `rlimit_processes` in the sections that need more processes"},
    {CFG_SUPERVISORD, "nocleanup", "AUTO log files are kept and rotated"},
    {CFG_SUPERVISORD, "childlogdir", "AUTO log files are in logs/ of the directory of the instance"},
    {CFG_SUPERVISORD, "strip_ansi", "output is kept as it is"},
    {CFG_SUPERVISORD, "identifier", "set `instance` in [yardmaster] to give this system a name"},
};

/* Levels of its log that are called otherwise here. */
static const struct {
	const char *word, *ours;
} levels[] = {{"critical", "error"}, {"trace", "debug"}, {"blather", "debug"}};

/* Options of [supervisord] that the programs inherit. */
static const char *const inherited[] = {"umask", "directory", "environment"};

const char *cfg_supervisord_option(enum cfg_kind kind, const char *name)
{
	for (size_t i = 0; i < COUNT(unsupported); i++) {
		if (unsupported[i].kind == kind && !strcasecmp(unsupported[i].name, name))
			return unsupported[i].why;
	}
	return NULL;
}

char *cfg_supervisord_value(const struct cfg_option *option, const char *value)
{
	for (size_t i = 0; i < COUNT(levels) && option->type == CFG_ENUM; i++) {
		if (!strcasecmp(value, levels[i].word))
			return strdup(levels[i].ours);
	}
	return strdup(value);
}

static bool is_inherited(const char *name)
{
	for (size_t i = 0; i < COUNT(inherited); i++) {
		if (!strcasecmp(inherited[i], name))
			return true;
	}
	return false;
}

/* Final values, for %(ENV_X)s in the programs. */
static void read_environment(struct cfg_loader *load, const struct cfg_section *section, struct cfg_entry *entry)
{
	struct cfg_option option = *cfg_option_find(CFG_PROGRAM, "environment");
	struct cfg_program scratch = {0};

	option.template = false;
	cfg_section_set(load, &option, entry, section, NULL, &scratch);
	load->environment = scratch.process.environment;
	load->nenvironment = scratch.process.nenvironment;
}

static void read_entry(struct cfg_loader *load, const struct cfg_section *section, struct cfg_entry *entry)
{
	const struct cfg_option *option = cfg_option_find(CFG_SUPERVISORD, entry->name);
	const struct cfg_section *instance = load->single[CFG_YARDMASTER];
	const struct cfg_entry *ours =
	    option && instance ? cfg_section_entry(instance, CFG_YARDMASTER, option->offset) : NULL;
	const char *why = cfg_supervisord_option(CFG_SUPERVISORD, entry->name);
	char where[CFG_PLACE_MAX];

	if (!*entry->value)
		cfg_note(load, entry->at, "`%s` has no value: it is taken as not set", entry->name);
	else if (why)
		cfg_note(load, entry->at, "`%s` has no effect: %s", entry->name, why);
	else if (ours)
		cfg_note(load, entry->at, "`%s` has no effect: `%s` of [%s] in %s counts", entry->name, ours->name,
		         instance->name, cfg_place_text(ours->at, entry->at, where));
	else if (option)
		cfg_section_set(load, option, entry, section, NULL, &load->out->instance);
	else if (!strcasecmp(entry->name, "environment"))
		read_environment(load, section, entry);
	else if (!is_inherited(entry->name))
		cfg_note(load, entry->at, "unknown option `%s` in [%s] has no effect", entry->name, section->name);
}

void cfg_supervisord_read(struct cfg_loader *load, const struct cfg_section *section)
{
	for (size_t i = 0; i < section->count; i++) {
		/* As supervisord has it, the last one counts. */
		if (cfg_entry_find(section, section->entries[i].name) == &section->entries[i])
			read_entry(load, section, &section->entries[i]);
	}
}

void cfg_supervisord_program(struct cfg_loader *load, const char *name, struct cfg_program *program)
{
	const struct cfg_section *section = load->single[CFG_SUPERVISORD];

	for (size_t i = 0; i < COUNT(inherited) && section; i++) {
		struct cfg_entry *entry = cfg_entry_find(section, inherited[i]);

		/* What is wrong with it is said once, not for each program. */
		if (entry && *entry->value && !entry->refused)
			cfg_section_set(load, cfg_option_find(CFG_PROGRAM, inherited[i]), entry, section, name,
			                program);
	}
}
