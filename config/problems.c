/* problems.c - the list of mistakes in a file. */
#define _GNU_SOURCE 1 /* vasprintf */
#include "problems.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "array.h"

#define SHOWN_MAX 40 /* bytes of a value that a message quotes */

/* Stands in for the list when there is no memory for one; never freed. */
static char no_memory_text[] = "out of memory while reading the configuration";
static struct cfg_problem no_memory = {0, no_memory_text};

void cfg_problems_no_memory(struct cfg_problems *problems)
{
	cfg_problems_free(problems);
	problems->items = &no_memory;
	problems->count = 1;
}

void cfg_problems_add(struct cfg_problems *problems, int line, const char *fmt, ...)
{
	struct cfg_problem *items;
	char *text;
	int length;
	va_list ap;

	if (problems->items == &no_memory)
		return;
	items = cfg_room(problems->items, problems->count, sizeof(*items));
	if (!items) {
		cfg_problems_no_memory(problems);
		return;
	}
	problems->items = items;
	va_start(ap, fmt);
	length = vasprintf(&text, fmt, ap);
	va_end(ap);
	if (length < 0) {
		cfg_problems_no_memory(problems);
		return;
	}
	items[problems->count++] = (struct cfg_problem){line, text};
}

/* Merge sort: stable, as qsort() need not be, and quick on a file in which every line is wrong. */
static void sort(struct cfg_problem *items, struct cfg_problem *spare, size_t count)
{
	size_t half = count / 2, left = 0, right = half;

	if (count < 2)
		return;
	sort(items, spare, half);
	sort(items + half, spare, count - half);
	memcpy(spare, items, count * sizeof(*items));
	for (size_t i = 0; i < count; i++) {
		if (right == count || (left < half && spare[left].line <= spare[right].line))
			items[i] = spare[left++];
		else
			items[i] = spare[right++];
	}
}

void cfg_problems_sort(struct cfg_problems *problems)
{
	struct cfg_problem *spare;

	if (problems->count < 2)
		return;
	spare = calloc(problems->count, sizeof(*spare));
	if (!spare) {
		cfg_problems_no_memory(problems);
		return;
	}
	sort(problems->items, spare, problems->count);
	free(spare);
}

const char *cfg_excerpt(const char *text, char out[CFG_EXCERPT_MAX])
{
	size_t length = strnlen(text, SHOWN_MAX + 1), used = 0;
	int cut = length > SHOWN_MAX;

	if (cut) {
		length = SHOWN_MAX;
		while (length > SHOWN_MAX - 4 && ((unsigned char)text[length] & 0xC0) == 0x80)
			length--;
	}
	for (size_t i = 0; i < length; i++) {
		unsigned char c = (unsigned char)text[i];

		if (c < 0x20 || c == 0x7F)
			used += (size_t)sprintf(out + used, "\\x%02X", c);
		else
			out[used++] = text[i];
	}
	strcpy(out + used, cut ? "..." : "");
	return out;
}

void cfg_problems_print(const char *path, const struct cfg_problems *problems, FILE *to)
{
	for (size_t i = 0; i < problems->count; i++) {
		const struct cfg_problem *problem = &problems->items[i];

		if (problem->line)
			fprintf(to, "%s:%d: %s\n", path, problem->line, problem->text);
		else
			fprintf(to, "%s: %s\n", path, problem->text);
	}
}

void cfg_problems_free(struct cfg_problems *problems)
{
	if (problems->items != &no_memory) {
		for (size_t i = 0; i < problems->count; i++)
			free(problems->items[i].text);
		free(problems->items);
	}
	*problems = (struct cfg_problems){0};
}
