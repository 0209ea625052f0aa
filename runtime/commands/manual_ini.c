/* manual_ini.c - yardmaster.ini(5), from the table of options. */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "../../config/options.h"
#include "manual.h"
#include "roff.h"

/* What a reload does with a changed option, where that is more than to apply it. */
static const char *effect_of(const struct cfg_option *option)
{
	switch (option->effect) {
	case CFG_EFFECT_START:
		return "\nA change holds only after a new start of the instance.";
	case CFG_EFFECT_ROLL:
		return option->kind == CFG_YARDMASTER || option->shared ? "\nA change replaces the processes."
		       : option->kind == CFG_PROGRAM                    ? "\nA change replaces its processes."
		                                                        : "\nA change replaces the workers.";
	case CFG_EFFECT_NONE:
	case CFG_EFFECT_LIVE:
	case CFG_EFFECT_SIZE:
		break;
	}
	return "";
}

/* All that the table has to say of it, as text. */
static void put_explanation(FILE *to, const struct cfg_option *option)
{
	const char *preset = cfg_option_preset(option);
	size_t length;
	char *text;
	FILE *memory = open_memstream(&text, &length);

	if (!memory)
		return;
	cfg_option_explain(option, memory);
	fclose(memory);
	roff_sentence(to, text);
	free(text);
	if (strcmp(preset, "required") == 0)
		fputs("Required.\n", to);
	else if (strcmp(preset, "-") != 0) {
		fputs("Default:\n.Sy \\&", to);
		roff_inline(to, preset);
		fputs(" .\n", to);
	}
	roff_text(to, effect_of(option));
}

static void put_option(FILE *to, const struct cfg_option *option)
{
	char text[128];

	fputs(".It Ic ", to);
	roff_inline(to, cfg_option_title(option, text, sizeof(text)));
	fputs(" No = Ar \\&", to);
	roff_inline(to, cfg_option_values(option, text, sizeof(text)));
	fputc('\n', to);
	put_explanation(to, option);
}

static void put_options(FILE *to, enum cfg_kind kind, bool shared)
{
	bool open = false, first = true;
	size_t count;
	const struct cfg_option *options = cfg_options(&count);

	for (size_t i = 0; i < count; i++) {
		if (options[i].kind != kind || options[i].shared != shared)
			continue;
		if (options[i].topic) {
			fprintf(to, "%s%s.Em ", open ? ".El\n" : "", first ? "" : ".Pp\n");
			roff_title(to, options[i].topic);
			fputc('\n', to);
			open = false;
		}
		if (!open)
			fputs(".Bl -tag -width Ds\n", to);
		open = true;
		first = false;
		put_option(to, &options[i]);
	}
	fputs(open ? ".El\n" : "", to);
}

static void put_sections(FILE *to)
{
	fputs(".Bl -tag -width Ds -compact\n", to);
	for (enum cfg_kind kind = 0; kind < CFG_KINDS; kind++) {
		fprintf(to, ".It Ic \\&%s\n", cfg_kind_header(kind));
		roff_sentence(to, cfg_kind_help(kind));
	}
	fputs(".El\n", to);
}

static void put_types(FILE *to)
{
	size_t count;
	const struct cfg_option *options = cfg_options(&count);

	fputs(".Bl -tag -width Ds\n", to);
	for (size_t i = 0; i < count; i++) {
		const char *word, *text = cfg_type_explain(options[i].type, &word);
		bool first = true;

		for (size_t j = 0; j < i; j++)
			first = first && options[j].type != options[i].type;
		if (!first || !text)
			continue;
		fputs(".It Ar \\&", to);
		roff_inline(to, word);
		fputc('\n', to);
		roff_sentence(to, text);
	}
	fputs(".El\n", to);
}

#define DIALECT                                                                                                        \
	"  [section]        in the first column, nothing behind the bracket\n"                                         \
	"  name = value     in the first column; the first = divides\n"                                                \
	"  ; comment        a whole line; # works too; both may be indented\n"                                         \
	"\n"                                                                                                           \
	"White space around name and value is dropped. There are no comments behind a value, no continuation lines, "  \
	"and no empty values but that of `option.KEY`. Each option stands once in a section, each section once in a "  \
	"file. Unknown sections and options are mistakes: `yardmaster check FILE` lists all of them, each with its "   \
	"line.\n"                                                                                                      \
	"\n"                                                                                                           \
	"Sections that supervisord has, too, are read as supervisord reads them, so that a supervisord.conf runs as "  \
	"it is: with comments behind a value, indented lines that continue one, and `:` as well as `=`. In the "       \
	"values of programs stand `%(program_name)s`, `%(process_num)d`, `%(numprocs)d`, `%(here)s`, "                 \
	"`%(host_node_name)s` and `%(ENV_X)s`; `%%` is a percent sign."

void manual_ini(FILE *to)
{
	manual_head(to, MANUAL_INI, '5', "what an instance of Yardmaster runs");
	fputs(".Sh DESCRIPTION\nOne INI file describes an instance.\nIts sections are\n.Pp\n", to);
	put_sections(to);
	roff_text(
	    to, "\nA file needs at least one pool or program. Both share their names: no program may be called like a "
		"pool. `yardmaster reload` applies what has changed; where the workers or processes are replaced by "
		"that, or where a new start of the instance is needed, the option says so.");
	fputs(".Ss The dialect\n", to);
	roff_text(to, DIALECT);
	fputs(".Ss Values\n", to);
	put_types(to);
	fputs(".Sh OPTIONS\n", to);
	for (enum cfg_kind kind = 0; kind < CFG_KINDS; kind++) {
		fprintf(to, ".Ss %s\\&\n", cfg_kind_header(kind));
		put_options(to, kind, false);
	}
	fprintf(to, ".Ss %s and %s, both\n", cfg_kind_header(CFG_POOL), cfg_kind_header(CFG_PROGRAM));
	put_options(to, CFG_POOL, true);
	fputs(".Sh EXAMPLES\n.Bd -literal -offset indent\n"
	      "[yardmaster]\ninstance = shop\nstore = sqlite:/srv/shop/jobs.db\n\n"
	      "[limit:smtp]\nmax = 4\n\n"
	      "[pool:mail]\nplugin = ./mail.so\nworkers = 2..8\nlimits = smtp\ntimeout = 2m\n"
	      "option.server = mail.example.org:25\n\n"
	      "[program:web]\ncommand = gunicorn shop.wsgi\ndirectory = /srv/shop\nuser = www\\-data\n\n"
	      "[cron:nightly]\npool = mail\nschedule = 30 4 * * 1\\-5\npayload = report\n.Ed\n",
	      to);
	manual_see_also(to, MANUAL_INI, '5');
}
