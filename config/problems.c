/* problems.c - the list of mistakes in a file. */
#define _GNU_SOURCE 1 /* vasprintf */
#include "problems.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "array.h"
#include "store_uri.h"

#define SHOWN_MAX 40 /* bytes of a value that a message quotes */

/* Stands in for the list when there is no memory for one; never freed. */
static char no_memory_text[] = "out of memory while reading the configuration";
static struct cfg_problem no_memory = {.text = no_memory_text};

void cfg_problems_no_memory(struct cfg_problems *problems)
{
	cfg_problems_free(problems);
	problems->items = &no_memory;
	problems->count = 1;
}

bool cfg_problems_lost(const struct cfg_problems *problems)
{
	return problems->items == &no_memory;
}

const char *cfg_place_text(struct cfg_place place, struct cfg_place said_at, char out[CFG_PLACE_MAX])
{
	if (place.file == said_at.file)
		snprintf(out, CFG_PLACE_MAX, "line %d", place.line);
	else
		snprintf(out, CFG_PLACE_MAX, "line %d of %s", place.line, place.file ? place.file->path : "?");
	return out;
}

/* 0, or -1 when out of memory: nothing is kept then. */
static int fill(struct cfg_problem *problem, struct cfg_place at, const char *fmt, va_list ap)
{
	*problem = (struct cfg_problem){.line = at.line, .order = at.file ? at.file->order : 0};
	if (problem->order) {
		problem->file = strdup(at.file->path);
		if (!problem->file)
			return -1;
	}
	if (vasprintf(&problem->text, fmt, ap) >= 0)
		return 0;
	free(problem->file);
	return -1;
}

void cfg_problems_add(struct cfg_problems *problems, struct cfg_place at, const char *fmt, ...)
{
	struct cfg_problem *items;
	int result;
	va_list ap;

	if (cfg_problems_lost(problems))
		return;
	items = cfg_room(problems->items, problems->count, sizeof(*items));
	if (!items) {
		cfg_problems_no_memory(problems);
		return;
	}
	problems->items = items;
	va_start(ap, fmt);
	result = fill(&items[problems->count], at, fmt, ap);
	va_end(ap);
	if (result)
		cfg_problems_no_memory(problems);
	else
		problems->count++;
}

static bool before(const struct cfg_problem *a, const struct cfg_problem *b)
{
	return a->order != b->order ? a->order < b->order : a->line <= b->line;
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
		if (right == count || (left < half && before(&spare[left], &spare[right])))
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
	char shown[CFG_STORE_SHOWN_MAX];
	size_t length = strnlen(cfg_store_shown(text, shown), SHOWN_MAX + 1), used = 0;
	int cut = length > SHOWN_MAX;

	text = shown;

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

static void print(const char *path, const struct cfg_problems *problems, const char *word, FILE *to)
{
	for (size_t i = 0; i < problems->count; i++) {
		const struct cfg_problem *problem = &problems->items[i];
		const char *file = problem->file ? problem->file : path;

		if (problem->line)
			fprintf(to, "%s:%d: %s%s\n", file, problem->line, word, problem->text);
		else
			fprintf(to, "%s: %s%s\n", file, word, problem->text);
	}
}

void cfg_problems_print(const char *path, const struct cfg_problems *problems, FILE *to)
{
	print(path, problems, "", to);
}

void cfg_notes_print(const char *path, const struct cfg_problems *notes, FILE *to)
{
	print(path, notes, "note: ", to);
}

void cfg_problems_free(struct cfg_problems *problems)
{
	if (problems->items != &no_memory) {
		for (size_t i = 0; i < problems->count; i++) {
			free(problems->items[i].file);
			free(problems->items[i].text);
		}
		free(problems->items);
	}
	*problems = (struct cfg_problems){0};
}
