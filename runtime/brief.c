/* brief.c - write and read the brief of a pool. */
#include "brief.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static bool put(int fd, const char *text)
{
	size_t size = strlen(text) + 1;

	return write(fd, text, size) == (ssize_t)size;
}

static const struct number {
	const char *key;
	size_t offset;
} numbers[] = {
#define X(name, key) {key, offsetof(struct brief_numbers, name)},
    BRIEF_NUMBER_MAP(X)
#undef X
};

static bool put_number(int fd, const struct number *number, const struct brief_numbers *from)
{
	char text[24];

	snprintf(text, sizeof(text), "%lld",
	         (long long)*(const int64_t *)(const void *)((const char *)from + number->offset));
	return put(fd, number->key) && put(fd, text);
}

/* True when the option is one of the numbers. */
static bool take_number(struct brief_numbers *to, const char *key, const char *value)
{
	for (size_t i = 0; i < COUNT(numbers); i++) {
		if (strcmp(numbers[i].key, key) != 0)
			continue;
		*(int64_t *)(void *)((char *)to + numbers[i].offset) = strtoll(value, NULL, 10);
		return true;
	}
	return false;
}

int brief_write(const struct brief *brief, struct ym_err *err)
{
	int fd = memfd_create("yardmaster-brief", MFD_CLOEXEC);
	bool good;

	if (fd < 0)
		return ym_fail_sys(err, errno, "memfd_create() for the brief of pool %s", brief->pool);
	good = put(fd, brief->instance) && put(fd, brief->directory) && put(fd, brief->pool) && put(fd, brief->plugin);
	for (size_t i = 0; good && i < COUNT(numbers); i++)
		good = put_number(fd, &numbers[i], &brief->numbers);
	for (size_t i = 0; good && i < brief->noptions; i++)
		good = put(fd, brief->options[i].key) && put(fd, brief->options[i].value);
	if (good)
		return fd;
	ym_fail_sys(err, errno, "write() of the brief of pool %s", brief->pool);
	close(fd);
	return -1;
}

/* The next string, or NULL when there is no more. */
static const char *next(const char **at, const char *end)
{
	const char *text = *at, *nul = text < end ? memchr(text, '\0', (size_t)(end - text)) : NULL;

	if (!nul)
		return NULL;
	*at = nul + 1;
	return text;
}

int brief_read(int fd, struct brief *brief, struct ym_err *err)
{
	struct stat st;
	const char *at, *end;
	size_t size, room;

	*brief = (struct brief){0};
	if (fstat(fd, &st) < 0)
		return ym_fail_sys(err, errno, "fstat(%d): a worker is started by the master, not by hand", fd);
	size = (size_t)st.st_size;
	brief->memory = malloc(size + 1);
	/* No more options than half the number of bytes. */
	room = size / 2 + 1;
	brief->options = malloc(room * sizeof(*brief->options));
	if (!brief->memory || !brief->options || pread(fd, brief->memory, size, 0) != (ssize_t)size) {
		brief_free(brief);
		return ym_fail(err, YM_ERR_USAGE,
		               "descriptor %d holds no brief: a worker is started by the master, not by hand", fd);
	}
	at = brief->memory;
	end = at + size;
	brief->instance = next(&at, end);
	brief->directory = next(&at, end);
	brief->pool = next(&at, end);
	brief->plugin = next(&at, end);
	if (!brief->plugin) {
		brief_free(brief);
		return ym_fail(err, YM_ERR_BUG, "the brief on descriptor %d is cut off", fd);
	}
	for (const char *key = next(&at, end); key; key = next(&at, end)) {
		const char *value = next(&at, end);

		if (value && !take_number(&brief->numbers, key, value))
			brief->options[brief->noptions++] = (struct brief_option){key, value};
	}
	return 0;
}

void brief_free(struct brief *brief)
{
	free(brief->memory);
	free(brief->options);
	*brief = (struct brief){0};
}
