/* command_words.c - put the payload, or the path of a file with it, into the words of a command. */
#include "command_words.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* Longest first where one begins with another. */
static const struct {
	const char *mark;
	const char *literal; /* what stands for it, or NULL */
	unsigned use;
} marks[] = {
    {"{{file}}", "{file}", 0},
    {"{{}}", "{}", 0},
    {"{file}", NULL, COMMAND_USES_FILE},
    {"{}", NULL, COMMAND_USES_TEXT},
};
#define NMARKS (sizeof(marks) / sizeof(marks[0]))

/* The mark that stands here; NMARKS: none. */
static size_t mark_at(const char *at)
{
	size_t i = 0;

	while (i < NMARKS && strncmp(at, marks[i].mark, strlen(marks[i].mark)) != 0)
		i++;
	return i;
}

unsigned command_word_uses(const char *word)
{
	unsigned uses = 0;

	while (*word) {
		size_t mark = mark_at(word);

		uses |= mark < NMARKS ? marks[mark].use : 0;
		word += mark < NMARKS ? strlen(marks[mark].mark) : 1;
	}
	return uses;
}

struct values {
	const char *payload, *path;
	size_t payload_size, path_size;
};

/* What stands in the word instead of a mark. */
static const char *value_of(size_t mark, const struct values *values, size_t *size)
{
	if (marks[mark].literal) {
		*size = strlen(marks[mark].literal);
		return marks[mark].literal;
	}
	*size = marks[mark].use == COMMAND_USES_FILE ? values->path_size : values->payload_size;
	return marks[mark].use == COMMAND_USES_FILE ? values->path : values->payload;
}

/* Write the word, if `out` is not NULL. Its size with the NUL. */
static size_t fill(const char *word, const struct values *values, char *out)
{
	size_t size = 0;

	while (*word) {
		size_t mark = mark_at(word), length = 1;
		const char *from = mark < NMARKS ? value_of(mark, values, &length) : word;

		if (out && length > 0)
			memcpy(out + size, from, length);
		size += length;
		word += mark < NMARKS ? strlen(marks[mark].mark) : 1;
	}
	if (out)
		out[size] = '\0';
	return size + 1;
}

static int check(const char *word, size_t size, const struct values *values, struct ym_err *err)
{
	bool text = command_word_uses(word) & COMMAND_USES_TEXT;

	if (text && values->payload_size > 0 && memchr(values->payload, '\0', values->payload_size))
		return ym_fail(err, YM_ERR_USAGE,
		               "the payload holds a NUL byte, so it cannot be the argument {}: use {file} or stdin");
	if (size > COMMAND_WORD_MAX)
		return ym_fail(err, YM_ERR_LIMIT,
		               "with a payload of %zu bytes the argument \"%.32s\" has %zu: the kernel takes %d, use "
		               "{file} or stdin",
		               values->payload_size, word, size - 1, COMMAND_WORD_MAX - 1);
	return 0;
}

char **command_words_fill(const char *const *words, size_t count, const char *payload, size_t size, const char *path,
                          struct ym_err *err)
{
	const struct values values = {payload, path, size, path ? strlen(path) : 0};
	size_t total = (count + 1) * sizeof(char *);
	char **argv, *at;

	for (size_t i = 0; i < count; i++) {
		size_t filled = fill(words[i], &values, NULL);

		if (check(words[i], filled, &values, err) < 0)
			return NULL;
		total += filled;
	}
	argv = malloc(total);
	if (!argv) {
		ym_fail(err, YM_ERR_LIMIT, "out of memory for the words of a command");
		return NULL;
	}
	at = (char *)(argv + count + 1);
	for (size_t i = 0; i < count; i++) {
		argv[i] = at;
		at += fill(words[i], &values, at);
	}
	argv[count] = NULL;
	return argv;
}
