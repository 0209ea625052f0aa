/*
 * complete.c - `yardmaster complete -- WORD ...`: what the last of these words, which may be empty, may become. The scripts
 * of completion.c ask for it; everything follows from the table of commands.
 *
 * The answer is made of the lines of candidates.h. One that begins with ":lead" comes first where the candidates stand for
 * the end of the word only: behind --config=.
 */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "candidates.h"
#include "command.h"

/* ---- the words that are there already -------------------------------------------------------- */

struct line {
	const struct command *command;
	char *const *words; /* behind the command */
	int before;         /* how many of them, without the last, which is to be completed */
	const char *last;
	struct candidates candidates;
	const struct option_row *pending; /* the option whose value the last word is; NULL: none */
	int arguments;                    /* in front of it that are no options */
	bool ended;                       /* no option may follow */
};

static const struct option_row *find_long(const struct command *command, const char *name, size_t length)
{
	for (const struct option_row *row = command->options; row && row->name; row++)
		if (strlen(row->name) == length && strncmp(row->name, name, length) == 0)
			return row;
	return NULL;
}

static const struct option_row *find_letter(const struct command *command, char letter)
{
	for (const struct option_row *row = command->options; row && row->name; row++)
		if (row->letter == letter)
			return row;
	return NULL;
}

/* Of --name, --name=VALUE, -x, -xVALUE, -abx: the option that takes a value, and that (NULL: the next word). */
static const struct option_row *option_with_value(const struct command *command, const char *word, const char **value)
{
	*value = NULL;
	if (word[0] != '-')
		return NULL;
	if (word[1] == '-') {
		size_t length = strcspn(word + 2, "=");
		const struct option_row *row = find_long(command, word + 2, length);

		*value = word[2 + length] ? word + 2 + length + 1 : NULL;
		return row && row->argument ? row : NULL;
	}
	for (const char *letter = word + 1; *letter; letter++) {
		const struct option_row *row = find_letter(command, *letter);

		if (row && row->argument) {
			*value = letter[1] ? letter + 1 : NULL;
			return row;
		}
	}
	return NULL;
}

/* The instance is needed to know its pools and jobs. */
static void remember(struct line *line, const struct option_row *row, const char *value)
{
	if (strcmp(row->name, "config") == 0)
		line->candidates.config = value;
	else if (strcmp(row->name, "instance") == 0)
		line->candidates.instance = value;
}

static bool is_option(const char *word)
{
	return word[0] == '-' && word[1] && !isdigit((unsigned char)word[1]);
}

/* As parse() of command.c does it. */
static void read_words(struct line *line)
{
	for (int i = 0; i < line->before; i++) {
		const char *word = line->words[i], *value;
		const struct option_row *row;

		if (line->ended || !is_option(word)) {
			line->arguments++;
			line->ended = line->ended || line->arguments == line->command->verbatim;
			continue;
		}
		if (strcmp(word, "--") == 0) {
			line->ended = true;
			continue;
		}
		row = option_with_value(line->command, word, &value);
		if (!row)
			continue;
		if (!value && i + 1 == line->before) {
			line->pending = row;
			return;
		}
		remember(line, row, value ? value : line->words[++i]);
	}
}

/* ---- the last one ---------------------------------------------------------------------------- */

/* What some options mean is not what their word says everywhere else. */
static const struct {
	const char *option, *word;
} meanings[] = {{"pool", "POOL"}, {"instance", "INSTANCE"}, {"tag", "TAG"}, {"view", "VIEW"}};

static void complete_value(const struct line *line, const struct option_row *row)
{
	const char *word = row->argument;

	for (size_t i = 0; i < sizeof(meanings) / sizeof(meanings[0]); i++)
		if (strcmp(meanings[i].option, row->name) == 0)
			word = meanings[i].word;
	candidates_for(&line->candidates, word, strlen(word));
}

static void complete_option(struct line *line)
{
	const char *value, *word = line->last;
	const struct option_row *row = option_with_value(line->command, word, &value);
	char text[128];

	if (row && value) {
		fprintf(line->candidates.to, ":lead\t%.*s\n", (int)(value - word), word);
		line->candidates.prefix = value;
		complete_value(line, row);
		return;
	}
	for (row = line->command->options; row && row->name; row++) {
		snprintf(text, sizeof(text), "--%s", row->name);
		candidates_put(&line->candidates, text, row->help);
	}
	candidates_put(&line->candidates, "--help", "options of the command");
}

/* One place of a usage: "JOB", "[PAYLOAD | -]", "bash | zsh". From `usage`, to behind it. */
static const char *next_place(const char *usage, const char **end, bool *repeated)
{
	bool alternative = false;

	usage += strspn(usage, " []");
	*end = usage;
	*repeated = false;
	while (**end) {
		const char *word = *end + strspn(*end, " []");
		size_t length = strcspn(word, " ");

		if (word[0] == '|')
			alternative = true;
		else if (strncmp(word, "...", 3) == 0)
			*repeated = true;
		else if (*end == usage || alternative)
			alternative = false;
		else
			break;
		*end = word + length;
	}
	return usage;
}

static void complete_place(const struct line *line, const char *place, const char *end)
{
	while (place < end) {
		size_t length;

		place += strspn(place, " |[]");
		length = strcspn(place, " |[]");
		if (place < end && islower((unsigned char)*place)) {
			char word[32];

			snprintf(word, sizeof(word), "%.*s", (int)length, place);
			candidates_put(&line->candidates, word, "");
		} else if (place < end) {
			candidates_for(&line->candidates, place, length);
		}
		place += length;
	}
}

/* Options stand anywhere, so they are no place. */
static bool is_place(const char *place, const char *end)
{
	return place < end && strncmp(place, "OPTIONS", 7) != 0 && strncmp(place, "--", 2) != 0;
}

/* False: nothing may stand there. */
static bool complete_argument(const struct line *line)
{
	const char *at = line->command->usage, *end;
	int left = line->arguments;

	/* A subcommand has to stand first, and does not. */
	if (line->command->subcommands)
		return false;
	while (*at) {
		const char *place;
		bool repeated;

		place = next_place(at, &end, &repeated);
		if (is_place(place, end) && (left-- == 0 || repeated)) {
			complete_place(line, place, end);
			return true;
		}
		at = end;
	}
	return false;
}

static void complete_verb(const struct candidates *candidates, const struct command *const *list)
{
	for (; *list; list++)
		if (!(*list)->hidden)
			candidates_put(candidates, (*list)->verb, (*list)->summary);
}

/* ---- the command ----------------------------------------------------------------------------- */

/* Words behind a verb, or behind the two of a family. */
static void complete_behind(const struct command *command, char *const *words, int n, FILE *to)
{
	struct line line = {.command = command,
	                    .words = words,
	                    .before = n - 1,
	                    .last = words[n - 1],
	                    .candidates = {.to = to, .prefix = words[n - 1]}};

	read_words(&line);
	if (line.pending)
		complete_value(&line, line.pending);
	else if ((!line.ended && line.last[0] == '-' && !isdigit((unsigned char)line.last[1])) ||
	         (!complete_argument(&line) && !line.ended && !line.last[0]))
		complete_option(&line);
}

static int complete(const struct args *args)
{
	char *const *words = args->rest;
	int n = args->nrest;
	const struct command *command = NULL, *sub = NULL;
	const struct candidates verbs = {.to = stdout, .prefix = n ? words[n - 1] : ""};

	/* Nobody wants to read in the middle of a line why there is nothing. */
	if (!freopen("/dev/null", "w", stderr) || n == 0)
		return 0;
	if (n > 1)
		command = command_find(all_commands, words[0]);
	if (n == 1) {
		complete_verb(&verbs, all_commands);
		candidates_put(&verbs, "--help", "all commands");
		candidates_put(&verbs, "--version", "the version");
		return 0;
	}
	if (command && command->subcommands && n > 2)
		sub = command_find(command->subcommands, words[1]);
	if (sub)
		complete_behind(sub, words + 2, n - 2, stdout);
	else if (command && command->subcommands && n == 2 && words[1][0] != '-')
		complete_verb(&verbs, command->subcommands);
	else if (command && (!command->subcommands || command->run))
		complete_behind(command, words + 1, n - 1, stdout);
	return 0;
}

static const struct option_row options[] = {{0}};

const struct command command_complete = {
    .verb = "complete",
    .usage = "-- WORD ...",
    .summary = "what the last word of a command line may become (asked by the shell, see `yardmaster completion`)",
    .options = options,
    .most = -1,
    .run = complete,
    .hidden = true,
    .group = COMMAND_GROUP_SHELL,
};
