/* backlogs.h - generations of an instance, and the files in which they leave their jobs to the next. */
#ifndef YM_TESTS_BACKLOGS_H
#define YM_TESTS_BACKLOGS_H

#include "yard.h"

static struct backlog_result result;
static int told;
static char last_told[PATH_MAX + 256];

static inline void tell(const char *text)
{
	told++;
	snprintf(last_told, sizeof(last_told), "%s", text);
}

static inline void load(unsigned loaded, unsigned unknown, unsigned full)
{
	backlog_load(&yard, 0, &result, tell);
	ck_assert_uint_eq(result.loaded, loaded);
	ck_assert_uint_eq(result.unknown, unknown);
	ck_assert_uint_eq(result.full, full);
}

/* All processes end; the next generation comes up. */
static inline void next_generation(uint32_t slots)
{
	yard_close();
	assert_nothing_left();
	yard_open(slots);
	pool = add_pool("work");
}

static inline unsigned count_backlogs(void)
{
	unsigned n = 0;
	DIR *dir = opendir(directory);

	for (struct dirent *entry = readdir(dir); entry; entry = readdir(dir))
		n += strncmp(entry->d_name, "backlog-", 8) == 0;
	closedir(dir);
	return n;
}

/* Path of the one file there is. */
static inline void backlog_path(char *path)
{
	DIR *dir = opendir(directory);

	path[0] = '\0';
	for (struct dirent *entry = readdir(dir); entry; entry = readdir(dir))
		if (strncmp(entry->d_name, "backlog-", 8) == 0)
			join_path(path, entry->d_name);
	closedir(dir);
	ck_assert(path[0]);
}

static inline struct job_ref find(uint64_t id)
{
	uint64_t word;
	int64_t slot = table_find(yard.table, id, &word);

	ck_assert_msg(slot >= 0, "job %ju is lost", (uintmax_t)id);
	return (struct job_ref){id, (uint32_t)slot, word_gen(word)};
}

#endif
