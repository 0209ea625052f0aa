/* store.c - the kinds of stores, and what their drivers share. */
#include "store.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "text.h"

#define STORE_NOTE_NAME "store"

#define STORE_WORD(name, scheme, also, rest) " " scheme rest

static const struct store_driver *const drivers[] = {
    [CFG_STORE_SQLITE] = &store_sqlite,
    [CFG_STORE_POSTGRESQL] = &store_postgresql,
};
_Static_assert(sizeof(drivers) / sizeof(drivers[0]) == CFG_STORES, "a kind of store lacks its driver");

int store_driver_of(const char *uri, const struct store_driver **driver, struct ym_err *err)
{
	enum cfg_store kind = cfg_store_kind(uri);
	char shown[STORE_SHOWN_MAX];

	*driver = kind < CFG_STORES ? drivers[kind] : NULL;
	if (kind < CFG_STORES)
		return 0;
	return ym_fail(err, YM_ERR_CONFIG, "\"%s\" is no store; one of these is:" CFG_STORE_MAP(STORE_WORD),
	               store_shown(uri, shown));
}

void store_job_free(struct store_job *job)
{
	const struct payload_source *sources[] = {&job->payload, &job->result};

	for (size_t i = 0; i < 2; i++) {
		free(job->memory[i]);
		job->memory[i] = NULL;
		if (job->owned && !sources[i]->data && sources[i]->size > 0)
			close(sources[i]->fd);
	}
	job->owned = false;
	job->payload = job->result = (struct payload_source){0};
}

void store_story_free(struct store_story *story)
{
	free(story->attempts);
	*story = (struct store_story){0};
}

void store_node_name(const struct cfg_instance *config, const char *instance, char node[STORE_NODE_MAX])
{
	char host[HOST_NAME_MAX + 1] = "localhost";

	gethostname(host, sizeof(host) - 1);
	if (config->node)
		text_copy(node, STORE_NODE_MAX, config->node);
	else
		snprintf(node, STORE_NODE_MAX, "%.*s/%s", STORE_NODE_MAX - TABLE_NAME_MAX - 2, host, instance);
}

/* ---- the note for commands ------------------------------------------------------------------- */

static void note_path(const char *directory, char path[PATH_MAX])
{
	snprintf(path, PATH_MAX, "%s/" STORE_NOTE_NAME, directory);
}

bool store_refuse_behind(struct store_submit *submits, size_t n)
{
	bool any = false;

	for (size_t i = 0; i < n; i++)
		for (size_t k = i + 1; k < n && submits[i].call && store_refused(&submits[i]); k++) {
			if (submits[k].call != submits[i].call || store_refused(&submits[k]))
				continue;
			submits[k].verdict = submits[i].verdict;
			any = true;
		}
	return any;
}

int store_note(const char *directory, const char *uri, const char *node, struct ym_err *err)
{
	char path[PATH_MAX], temporary[PATH_MAX + 8];
	int fd;
	bool good;

	note_path(directory, path);
	if (!uri) {
		unlink(path);
		return 0;
	}
	snprintf(temporary, sizeof(temporary), "%s.new", path);
	unlink(temporary);
	/* It may hold a password. */
	fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return ym_fail_sys(err, errno, "open(\"%s\") to note where the jobs are stored", temporary);
	good = dprintf(fd, "%s\n%s\n", uri, node) > 0;
	good = close(fd) == 0 && good;
	if (good && rename(temporary, path) == 0)
		return 0;
	ym_fail_sys(err, errno, "write(\"%s\") to note where the jobs are stored", temporary);
	unlink(temporary);
	return -1;
}

int store_noted(const char *directory, char **uri, char node[STORE_NODE_MAX], struct ym_err *err)
{
	char path[PATH_MAX], text[4096], *rest = text;
	ssize_t n;
	int fd;

	*uri = NULL;
	if (node)
		node[0] = '\0';
	note_path(directory, path);
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0 && errno == ENOENT)
		return 0;
	if (fd < 0)
		return ym_fail_sys(err, errno, "open(\"%s\") to know where the jobs are stored", path);
	n = read(fd, text, sizeof(text) - 1);
	close(fd);
	if (n < 0)
		return ym_fail_sys(err, errno, "read(\"%s\") to know where the jobs are stored", path);
	text[n] = '\0';
	*uri = strdup(strsep(&rest, "\n"));
	if (node && rest)
		text_copy(node, STORE_NODE_MAX, strsep(&rest, "\n"));
	return *uri ? 0 : ym_fail(err, YM_ERR_LIMIT, "out of memory");
}
