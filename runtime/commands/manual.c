/* manual.c - yardmaster(1), and a page for each group of commands. */
#include "manual.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../../config/nearest.h"
#include "command.h"
#include "roff.h"

#define PAGES_MAX     (COMMAND_GROUPS + 4)
#define PAGE_NAME_MAX 48

/* ---- the list of pages ----------------------------------------------------------------------- */

enum page_kind { PAGE_OVERVIEW, PAGE_GROUP, PAGE_INI, PAGE_LIBRARY };

struct page {
	char name[PAGE_NAME_MAX];
	char section;
	enum page_kind kind; /* that of the library is a file of the source */
	enum command_group group;
};

static const struct {
	const char *page, *heading;
} groups[] = {
#define X(name, page, heading) {page, heading},
    COMMAND_GROUP_MAP(X)
#undef X
};

static int by_section_and_name(const void *a, const void *b)
{
	const struct page *x = a, *y = b;

	return x->section != y->section ? x->section - y->section : strcmp(x->name, y->name);
}

static size_t list_pages(struct page pages[PAGES_MAX])
{
	size_t n = 0;

	pages[n++] = (struct page){"yardmaster", '1', PAGE_OVERVIEW, 0};
	for (enum command_group group = 0; group < COMMAND_GROUPS; group++) {
		pages[n] = (struct page){.section = '1', .kind = PAGE_GROUP, .group = group};
		snprintf(pages[n++].name, PAGE_NAME_MAX, "yardmaster-%s", groups[group].page);
	}
	pages[n++] = (struct page){"yardmaster-client", '3', PAGE_LIBRARY, 0};
	pages[n++] = (struct page){"yardmaster-ipc", '3', PAGE_LIBRARY, 0};
	pages[n++] = (struct page){MANUAL_INI, '5', PAGE_INI, 0};
	qsort(pages, n, sizeof(*pages), by_section_and_name);
	return n;
}

/* ---- what all pages have --------------------------------------------------------------------- */

/* Of the day on which the page is made, or the one that a packager wants. */
static void put_date(FILE *to)
{
	const char *given = getenv("SOURCE_DATE_EPOCH");
	time_t moment = given ? (time_t)strtoll(given, NULL, 10) : time(NULL);
	char text[64];
	struct tm day;

	if (!gmtime_r(&moment, &day) || strftime(text, sizeof(text), "%B", &day) == 0)
		return;
	fprintf(to, ".Dd %s %d, %d\n", text, day.tm_mday, day.tm_year + 1900);
}

void manual_head(FILE *to, const char *name, char section, const char *what)
{
	fputs(".\\\" Written by `yardmaster manual`.\n", to);
	put_date(to);
	fputs(".Dt ", to);
	for (const char *c = name; *c; c++)
		fputc(*c >= 'a' && *c <= 'z' ? *c - 'a' + 'A' : *c, to);
	fprintf(to, " %c\n.Os\n.Sh NAME\n.Nm ", section);
	roff_inline(to, name);
	fputs("\n.Nd ", to);
	roff_inline(to, what);
	fputc('\n', to);
}

void manual_see_also(FILE *to, const char *name, char section)
{
	struct page pages[PAGES_MAX];
	size_t n = list_pages(pages);
	bool begun = false;

	fputs(".Sh SEE ALSO\n", to);
	for (size_t i = 0; i < n; i++) {
		if (pages[i].section == section && strcmp(pages[i].name, name) == 0)
			continue;
		fprintf(to, "%s.Xr %s %c", begun ? " ,\n" : "", pages[i].name, pages[i].section);
		begun = true;
	}
	fputc('\n', to);
}

static void put_exit_codes(FILE *to)
{
	fputs(".Sh EXIT STATUS\n.Bl -tag -width Ds -compact\n", to);
#define X(code, meaning) fprintf(to, ".It %d\n" meaning "\n", code);
	COMMAND_EXIT_MAP(X)
#undef X
	fputs(".El\n", to);
}

static void put_definition(FILE *to, const char *macro, const char *term, const char *meaning)
{
	fprintf(to, ".It %s ", macro);
	roff_inline(to, term);
	fputc('\n', to);
	roff_sentence(to, meaning);
}

/* ---- a group of commands --------------------------------------------------------------------- */

/* What is put of a command: those of a family one after the other, or itself. */
typedef void put_command(FILE *to, const struct command *command, const char *name);

static void each_command(FILE *to, enum command_group group, put_command *put)
{
	char name[COMMAND_NAME_MAX];

	for (const struct command *const *command = all_commands; *command; command++) {
		if (!command_listed(*command, group))
			continue;
		put(to, *command, (*command)->verb);
		for (const struct command *const *sub = (*command)->subcommands; sub && *sub; sub++) {
			snprintf(name, sizeof(name), "%s %s", (*command)->verb, (*sub)->verb);
			if (!(*sub)->hidden)
				put(to, *sub, name);
		}
	}
}

/* A command that is one by itself, too, as `jobs cancel` is. */
static bool is_twin(const struct command *command, const char *name)
{
	return strcmp(command->verb, name) != 0 && command_find(all_commands, command->verb) == command;
}

static void put_synopsis(FILE *to, const struct command *command, const char *name)
{
	if (!command->run || is_twin(command, name))
		return;
	fprintf(to, ".Nm yardmaster\n.Cm %s\n", name);
	roff_usage(to, command->usage);
}

static void put_options(FILE *to, const struct command *command)
{
	if (!command->options || !command->options->name)
		return;
	fputs(".Bl -tag -width Ds\n", to);
	for (const struct option_row *row = command->options; row->name; row++) {
		fputs(".It ", to);
		if (row->letter)
			fprintf(to, "Fl %c , ", row->letter);
		fputs("Fl \\-", to);
		roff_inline(to, row->name);
		if (row->argument) {
			fputs(" Ar \\&", to);
			roff_inline(to, row->argument);
		}
		fputc('\n', to);
		roff_sentence(to, row->help);
	}
	fputs(".El\n", to);
}

static void put_section(FILE *to, const struct command *command, const char *name)
{
	fprintf(to, ".Ss yardmaster %s\n", name);
	if (is_twin(command, name)) {
		fprintf(to, "The same as\n.Cm yardmaster %s .\n", command->verb);
		return;
	}
	roff_sentence(to, command->summary);
	if (command->text) {
		fputs(".Pp\n", to);
		roff_text(to, command->text);
	}
	if (command->run)
		put_options(to, command);
}

static void put_group(FILE *to, const struct page *page)
{
	manual_head(to, page->name, '1', groups[page->group].heading);
	fputs(".Sh SYNOPSIS\n", to);
	each_command(to, page->group, put_synopsis);
	fputs(".Sh DESCRIPTION\n", to);
	roff_text(to,
	          "Options may stand anywhere behind the command, `--` ends them; an argument of `-` and a digit is a "
	          "number. Durations are written as `500ms`, `10s` or `1h30m`; a number alone is seconds. With "
	          "`--help` each command prints what is here.");
	each_command(to, page->group, put_section);
	put_exit_codes(to);
	manual_see_also(to, page->name, '1');
}

/* ---- yardmaster(1) --------------------------------------------------------------------------- */

struct definition {
	const char *term, *meaning;
};

static const struct definition files[] = {
    {"/run/yardmaster/NAME/",
     "directory of the instance NAME of root: key files, the bell, control socket, logs, large "
     "payloads, and the jobs of an instance that is down"},
    {"$XDG_RUNTIME_DIR/yardmaster/NAME/", "the same for other users"},
    {"/tmp/yardmaster-UID/NAME/", "the same for users without such a variable"},
};

static const struct definition variables[] = {
    {"XDG_RUNTIME_DIR", "where the directories of a user's instances are"},
    {"NO_COLOR", "if it is set, no colours are used"},
    {"TERM", "what the terminal can do"},
    {"TMPDIR", "where the commands keep large payloads of a store if not in the directory of the instance"},
    {"PATH", "where commands without a slash are found"},
    {"TZ", "the time zone of moments that are typed and printed, and of crons that name none"},
    {"TZDIR", "where the time zones are"},
    {"JOURNAL_STREAM", "set by systemd: with `log_format = auto`, lines are written for its journal"},
    {"NOTIFY_SOCKET", "set by systemd: the master says there how it is, see sd_notify(3)"},
    {"WATCHDOG_USEC", "set by systemd: the master gives a sign more often than this"},
    {"WATCHDOG_PID", "set by systemd: the process that is meant by it"},
    {"YARDMASTER_READY_FD", "set for processes with `ready = fd`: where they write a newline when they are ready"},
    {"YARDMASTER_JOB", "set for the commands that jobs run, with others of this beginning: the id of the job"},
    {"YARDMASTER_HANDOVER", "what a master that is upgraded hands to the program that replaces it; not for people"},
    {"SOURCE_DATE_EPOCH", "the date of pages of the manual, for packagers"},
};

static void put_definitions(FILE *to, const char *heading, const char *macro, const struct definition *list, size_t n)
{
	fprintf(to, ".Sh %s\n.Bl -tag -width Ds\n", heading);
	for (size_t i = 0; i < n; i++)
		put_definition(to, macro, list[i].term, list[i].meaning);
	fputs(".El\n", to);
}

static void put_commands(FILE *to)
{
	for (enum command_group group = 0; group < COMMAND_GROUPS; group++) {
		fputs(".Ss ", to);
		roff_title(to, groups[group].heading);
		fprintf(to, "\nSee\n.Xr yardmaster-%s 1 .\n.Bl -tag -width completion -compact\n", groups[group].page);
		for (const struct command *const *command = all_commands; *command; command++)
			if (command_listed(*command, group))
				put_definition(to, "Cm", (*command)->verb, (*command)->summary);
		fputs(".El\n", to);
	}
}

static void put_overview(FILE *to, const struct page *page)
{
	manual_head(to, page->name, '1', "keep pools of job workers and programs running, over System V IPC");
	fputs(".Sh SYNOPSIS\n.Nm\n.Ar COMMAND\n.Op Ar OPTIONS\n.Ar ...\n"
	      ".Nm\n.Ar COMMAND\n.Fl \\-help\n.Nm\n.Fl \\-version\n.Sh DESCRIPTION\n",
	      to);
	roff_text(
	    to,
	    "A master reads an INI file and forks pools of workers, which run jobs: plugins in C, or commands. Jobs "
	    "are submitted from the shell, from C, or by any program that can send a System V message. Job table, "
	    "queues, limits and the status board are System V IPC objects, in the formats of PHP's sysvsem, "
	    "sysvshm and sysvmsg. No job is lost when any process is killed at any moment, and no object outlives "
	    "its last user.\n"
	    "\n"
	    "The INI file also lists programs that are kept running, jobs for certain times, and limits for what "
	    "may happen at once. Some commands need no instance at all: they work with the semaphores, variables "
	    "and queues of other programs.\n"
	    "\n"
	    "example: yardmaster run shop.ini\n"
	    "example: yardmaster submit -c shop.ini mail 'order 4711' --wait\n"
	    "\n"
	    "Which instance? `-c FILE` (`--config`): the one of this INI file. `-i NAME` (`--instance`): the one of "
	    "this name in the default directory. Neither: the instance `main`. One whose file sets `directory` is "
	    "found by `-c` only.\n");
	fputs(".Sh COMMANDS\n", to);
	put_commands(to);
	put_definitions(to, "ENVIRONMENT", "Ev", variables, sizeof(variables) / sizeof(variables[0]));
	put_definitions(to, "FILES", "Pa", files, sizeof(files) / sizeof(files[0]));
	put_exit_codes(to);
	fputs(".Pp\nErrors are one line on the standard error output.\n", to);
	manual_see_also(to, page->name, '1');
}

/* ---- the command ----------------------------------------------------------------------------- */

static void put_page(FILE *to, const struct page *page)
{
	switch (page->kind) {
	case PAGE_OVERVIEW:
		put_overview(to, page);
		break;
	case PAGE_GROUP:
		put_group(to, page);
		break;
	case PAGE_INI:
		manual_ini(to);
		break;
	case PAGE_LIBRARY:
		break;
	}
}

static int manual(const struct args *args)
{
	const char *wanted = args->nrest ? args->rest[0] : NULL;
	struct cfg_nearest near = {.word = wanted};
	struct page pages[PAGES_MAX];
	char names[PAGES_MAX][PAGE_NAME_MAX + 2];
	size_t n = list_pages(pages);
	struct ym_err err;

	for (size_t i = 0; i < n; i++) {
		char *file = names[i];

		if (pages[i].kind == PAGE_LIBRARY)
			continue;
		snprintf(file, sizeof(names[i]), "%.*s.%c", PAGE_NAME_MAX - 1, pages[i].name, pages[i].section);
		if (!wanted) {
			puts(file);
		} else if (strcmp(file, wanted) == 0) {
			put_page(stdout, &pages[i]);
			return 0;
		} else {
			cfg_nearest_offer(&near, file);
		}
	}
	if (!wanted)
		return 0;
	ym_fail(&err, YM_ERR_USAGE, "there is no page \"%.80s\"%s%s%s; without an argument all are listed", wanted,
	        near.best ? ": did you mean \"" : "", near.best ? near.best : "", near.best ? "\"?" : "");
	return command_fail(&err);
}

static const struct option_row options[] = {{0}};

const struct command command_manual = {
    .verb = "manual",
    .usage = "[PAGE]",
    .summary = "print a page of the manual as mdoc; without PAGE the names of all (for `make install`)",
    .options = options,
    .most = 1,
    .run = manual,
    .hidden = true,
    .group = COMMAND_GROUP_SHELL,
};
