/* progress_line.c - lines of text to calls of <yardmaster/plugin.h>. */
#include "progress_line.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

static char *skip_blanks(char *at)
{
	while (isspace((unsigned char)*at))
		at++;
	return at;
}

static void trim_end(char *text)
{
	size_t size = strlen(text);

	while (size > 0 && isspace((unsigned char)text[size - 1]))
		size--;
	text[size] = '\0';
}

/* Where the next word begins, if the line begins with this one. */
static char *after_word(char *line, const char *word)
{
	size_t size = strlen(word);

	if (strncmp(line, word, size) != 0 || (line[size] && !isspace((unsigned char)line[size])))
		return NULL;
	return skip_blanks(line + size);
}

/* Digits; too many of them are the largest number. Where they end, or NULL if there are none. */
static char *take_number(char *at, uint64_t *number)
{
	char *end;

	if (!isdigit((unsigned char)*at))
		return NULL;
	*number = strtoull(at, &end, 10);
	if (*end == '.' && isdigit((unsigned char)end[1]))
		for (end++; isdigit((unsigned char)*end); end++)
			;
	return end;
}

static bool take_progress(struct progress_line *state, ym_job *job, char *at)
{
	uint64_t done, total = 0;
	char *behind;

	at = take_number(at, &done);
	if (!at)
		return false;
	behind = skip_blanks(at);
	if (*at == '%') {
		total = 100;
		at++;
	} else if (*behind == '/') {
		at = take_number(skip_blanks(behind + 1), &total);
	}
	if (!at || (*at && !isspace((unsigned char)*at)))
		return false;
	at = skip_blanks(at);
	*state = (struct progress_line){done, total};
	if (*at)
		ym_progress(job, done, total, "%s", at);
	else
		ym_progress(job, done, total, NULL);
	return true;
}

static bool take_unit(struct progress_line *state, ym_job *job, char *at)
{
	(void)state;
	ym_unit(job, at);
	return true;
}

static bool take_note(struct progress_line *state, ym_job *job, char *at)
{
	ym_progress(job, state->done, state->total, "%s", at);
	return true;
}

static const struct {
	const char *word;
	bool (*take)(struct progress_line *state, ym_job *job, char *at);
} known[] = {
    {"progress", take_progress},
    {"unit", take_unit},
    {"note", take_note},
};

bool progress_line_take(struct progress_line *state, ym_job *job, char *line)
{
	trim_end(line);
	line = skip_blanks(line);
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		char *at = after_word(line, known[i].word);

		if (at)
			return known[i].take(state, job, at);
	}
	return false;
}
