/* words.c - split, unquote, refuse what only a shell could do. */
#include "words.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "problems.h"

#define BLANK         " \t\n"
#define SHELL_ONLY    "|<>;&`"
#define ESCAPED_IN_QQ "\"\\$`" /* what a backslash takes inside "..." */
#define ESCAPED_PLAIN "\"\\"

struct splitter {
	const char *in;
	char *out; /* never more bytes than were taken from `in`, but for the last NUL */
	char *why; /* CFG_WHY_MAX bytes */
	bool plain;
};

/* What starts at `at` means something to a shell only: a pipe, say, or $NAME, ${NAME}, $1, $(COMMAND). */
static bool shell_only(const char *at)
{
	if (*at == '$')
		return isalnum((unsigned char)at[1]) || (at[1] && strchr("_{(?!$#@*-", at[1]));
	return strchr(SHELL_ONLY, *at) != NULL;
}

/* '...' or "..." at split->in. */
static int quoted(struct splitter *split)
{
	const char *start = split->in;
	const char *escaped = split->plain ? ESCAPED_PLAIN : ESCAPED_IN_QQ;
	char quote = *split->in++, excerpt[CFG_EXCERPT_MAX];

	while (*split->in && *split->in != quote) {
		if (quote == '"' && split->in[0] == '\\' && split->in[1] && strchr(escaped, split->in[1]))
			split->in++;
		*split->out++ = *split->in++;
	}
	if (*split->in++)
		return 0;
	snprintf(split->why, CFG_WHY_MAX, "no second %c closes the quotes of `%s`", quote, cfg_excerpt(start, excerpt));
	return -1;
}

static int one_word(struct splitter *split)
{
	char excerpt[CFG_EXCERPT_MAX];

	while (*split->in && !strchr(BLANK, *split->in)) {
		if (*split->in == '\'' || *split->in == '"') {
			if (quoted(split))
				return -1;
			continue;
		}
		if (!split->plain && shell_only(split->in)) {
			snprintf(
			    split->why, CFG_WHY_MAX,
			    "`%s`: no shell runs the command; put it in quotes if it is text, or write sh -c '...'",
			    cfg_excerpt(split->in, excerpt));
			return -1;
		}
		if (*split->in == '\\' && !*++split->in) {
			snprintf(split->why, CFG_WHY_MAX, "nothing follows the last \\: write \\\\ for a backslash");
			return -1;
		}
		*split->out++ = *split->in++;
	}
	*split->out++ = '\0';
	return 0;
}

static char **divide(const char *text, bool plain, char why[CFG_WHY_MAX])
{
	size_t length = strlen(text), most = length / 2 + 1, count = 0;
	/* A word takes two bytes of the text at least, the last one a single byte. */
	char **words = malloc((most + 1) * sizeof(*words) + length + 1);
	struct splitter split = {.in = text + strspn(text, BLANK), .why = why, .plain = plain};

	if (!words) {
		snprintf(why, CFG_WHY_MAX, "out of memory");
		return NULL;
	}
	split.out = (char *)(words + most + 1);
	while (*split.in) {
		words[count++] = split.out;
		if (one_word(&split)) {
			free(words);
			return NULL;
		}
		split.in += strspn(split.in, BLANK);
	}
	words[count] = NULL;
	if (count && *words[0])
		return words;
	snprintf(why, CFG_WHY_MAX, "no program: write PROGRAM ARGUMENT...");
	free(words);
	return NULL;
}

char **cfg_words(const char *text, char why[CFG_WHY_MAX])
{
	return divide(text, false, why);
}

char **cfg_words_plain(const char *text, char why[CFG_WHY_MAX])
{
	return divide(text, true, why);
}

const char *cfg_words_shell(const char *text)
{
	char quote = '\0';

	for (; *text; text++) {
		if (*text == '\\' && quote != '\'' && text[1])
			text++;
		else if (quote)
			quote = *text == quote ? '\0' : quote;
		else if (*text == '\'' || *text == '"')
			quote = *text;
		else if (shell_only(text))
			return text;
	}
	return NULL;
}

char **cfg_words_with(const char *first, char *const *words)
{
	size_t count = 0, bytes = strlen(first) + 1;
	char **out, *at;

	while (words[count])
		count++;
	for (size_t i = 1; i < count; i++)
		bytes += strlen(words[i]) + 1;
	out = malloc((count + 1) * sizeof(*out) + bytes);
	if (!out)
		return NULL;
	at = (char *)(out + count + 1);
	for (size_t i = 0; i < count; i++) {
		out[i] = at;
		at = stpcpy(at, i ? words[i] : first) + 1;
	}
	out[count] = NULL;
	return out;
}
