/* roff.c - text to mdoc: escapes, lines, brackets. */
#include "roff.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* Escapes may make a line some bytes longer. */
#define COLUMNS 70
#define EXAMPLE "example: "

/* ---- text ------------------------------------------------------------------------------------ */

/* A hyphen as it is typed, so that options can be copied from the page; `code` goes on from word to word. */
static const char *escaped(char c, bool *code, char one[2])
{
	switch (c) {
	case '`':
		*code = !*code;
		return *code ? "\\fB" : "\\fR";
	case '\\':
		return "\\e";
	case '-':
		return "\\-";
	default:
		one[0] = c;
		return one;
	}
}

/* The length of NAME of a function, NAME(); 0: it is none. */
static size_t function_name(const char *word, size_t length)
{
	size_t name = strspn(word, "abcdefghijklmnopqrstuvwxyz_0123456789");

	return name > 0 && name + 2 <= length && word[name] == '(' && word[name + 1] == ')' ? name : 0;
}

/* Returns how many bytes it became. */
static size_t put_word(FILE *to, const char *word, size_t length, bool *code)
{
	/* At the beginning of a line these make a request. */
	bool request = *word == '.' || *word == '\'';
	size_t name = *code ? 0 : function_name(word, length), bytes = 0;
	char one[2] = "";

	bytes += (size_t)fprintf(to, "%s%s", request ? "\\&" : "", name ? "\\fB" : "");
	for (size_t i = 0; i < length; i++) {
		if (name && i == name)
			bytes += (size_t)fprintf(to, "\\fR");
		bytes += (size_t)fprintf(to, "%s", escaped(word[i], code, one));
	}
	return bytes;
}

void roff_inline(FILE *to, const char *text)
{
	bool code = false;

	put_word(to, text, strlen(text), &code);
	if (code)
		fputs("\\fR", to);
}

/* Every sentence begins a line of its own: only so the distance behind it is right. */
static bool ends_sentence(const char *word, size_t length)
{
	while (length > 1 && strchr(")\"'`", word[length - 1]))
		length--;
	return strchr(".!?", word[length - 1]) != NULL;
}

/* One paragraph, or one line, of words; `column` is where the last one ended, 0: at the beginning of a line. */
static void put_words(FILE *to, const char *text, size_t length, size_t *column, bool *code)
{
	const char *end = text + length;

	while (text < end) {
		size_t blank = strspn(text, " "), word;

		text += blank;
		word = strcspn(text, " \n");
		if (text >= end || word == 0)
			break;
		if (*column && *column + word > COLUMNS) {
			fputc('\n', to);
			*column = 0;
		}
		if (*column)
			fputc(' ', to);
		*column += put_word(to, text, word, code) + 1;
		if (ends_sentence(text, word)) {
			fputc('\n', to);
			*column = 0;
		}
		text += word;
	}
}

static void end_line(FILE *to, size_t *column)
{
	if (*column)
		fputc('\n', to);
	*column = 0;
}

/* Lines that stand as they are, up to the first other one; returns where that is. */
static const char *put_block(FILE *to, const char *text)
{
	bool code = false;

	fputs(".Bd -literal -offset indent\n", to);
	while (*text == ' ') {
		size_t length;

		text += strspn(text, " ") < 2 ? 1 : 2;
		length = strcspn(text, "\n");
		put_word(to, text, length, &code);
		fputc('\n', to);
		text += length + (text[length] == '\n');
	}
	fputs(".Ed\n", to);
	return text;
}

/* "example: COMMAND"; several of them have one heading. */
static void put_example(FILE *to, const char *command, size_t length, bool first)
{
	bool code = false;

	fprintf(to, "%s.Dl ", first ? "Example:\n" : "");
	put_word(to, command, length, &code);
	fputc('\n', to);
}

void roff_text(FILE *to, const char *text)
{
	bool code = false, begun = false, example = false;
	size_t column = 0;

	while (*text) {
		size_t length = strcspn(text, "\n");

		if (*text == ' ') {
			end_line(to, &column);
			text = put_block(to, text);
			begun = true;
			continue;
		}
		if (length == 0) {
			end_line(to, &column);
			/* Not at an end, and a display is parted from what is before it already. */
			if (begun && text[1] && text[1] != ' ')
				fputs(".Pp\n", to);
		} else if (strncmp(text, EXAMPLE, strlen(EXAMPLE)) == 0) {
			end_line(to, &column);
			put_example(to, text + strlen(EXAMPLE), length - strlen(EXAMPLE), !example);
			example = begun = true;
		} else {
			put_words(to, text, length, &column, &code);
			example = false;
			begun = true;
		}
		text += length + (text[length] == '\n');
	}
	if (code)
		fputs("\\fR", to);
	end_line(to, &column);
}

/* "sqlite: ..." and the like are typed so. */
static bool takes_capital(const char *text)
{
	size_t word = strspn(text, "abcdefghijklmnopqrstuvwxyz");

	return word > 0 && text[word] != ':' && text[word] != '_';
}

void roff_title(FILE *to, const char *text)
{
	if (takes_capital(text))
		fputc(toupper((unsigned char)*text++), to);
	roff_inline(to, text);
}

void roff_sentence(FILE *to, const char *text)
{
	size_t length, last = strlen(text);
	char *whole;
	FILE *memory = open_memstream(&whole, &length);

	if (!memory)
		return;
	fprintf(memory, "%s%s", text, last && strchr(".!?", text[last - 1]) ? "" : ".");
	fclose(memory);
	if (takes_capital(whole))
		*whole = (char)toupper((unsigned char)*whole);
	roff_text(to, whole);
	free(whole);
}

/* ---- usage ----------------------------------------------------------------------------------- */

/* How many brackets of this word have no partner in it. */
static int open_brackets(const char *word, size_t length)
{
	int open = 0;

	for (size_t i = 0; i < length; i++)
		open += (word[i] == '[') - (word[i] == ']');
	return open;
}

static void put_usage_word(FILE *to, const char *word, size_t length)
{
	bool code = false, option = length > 2 && word[0] == '-' && word[1] == '-';

	if (length == 1 && *word == '|') {
		fputs("|\n", to);
		return;
	}
	if (isupper((unsigned char)word[0]) || (length > 1 && isupper((unsigned char)word[1])))
		fputs(".Ar ", to);
	else if (option)
		fputs(".Fl ", to);
	else
		fputs(islower((unsigned char)word[0]) ? ".Cm " : ".No ", to);
	/* Fl brings a dash of its own. */
	word += option;
	length -= option;
	/* "N" or "-" might be a macro or a delimiter. */
	fputs("\\&", to);
	put_word(to, word, length, &code);
	fputc('\n', to);
}

void roff_usage(FILE *to, const char *usage)
{
	while (*usage) {
		size_t length = strcspn(usage, " "), word = length;
		const char *text = usage;
		bool closes = false;

		/* "[JOB" opens, "...]" closes, "[OPTIONS]" does both, "NAME[/N]" neither. */
		if (*text == '[') {
			fputs(".Oo\n", to);
			closes = open_brackets(text, word) == 0;
			text++, word--;
		} else {
			closes = open_brackets(text, word) < 0;
		}
		word -= closes;
		put_usage_word(to, text, word);
		if (closes)
			fputs(".Oc\n", to);
		usage += length + strspn(usage + length, " ");
	}
}
