/* depot.c - make, fill, read, check. */
#include "depot.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "../../ipc/sys.h"
#include "../../runtime/store.h"
#include "../../runtime/text.h"
#include "site.h"

/* A round needs some 20 MB. */
#define DEPOT_SIZE "size=100m"

/* For so long after there is room again, the master may not have written what it could not. */
#define CAUGHT_UP_NS UINT64_C(1500000000)

#define LISTED      200
#define READ_MS_MAX 40
#define TOLD_LINES  20

#define LIVE_STATES (1u << JOB_READY | 1u << JOB_DELAYED | 1u << JOB_CLAIMED | 1u << JOB_BURIED)

static struct {
	char dir[PATH_MAX + 16], uri[PATH_MAX + 64], filler[PATH_MAX + 32];
	bool mounted;
	uint64_t full_until; /* 0: there is room */
	uint64_t freed;
} depot;

/* ---- the place ------------------------------------------------------------------------------- */

void depot_make(void)
{
	snprintf(depot.dir, sizeof(depot.dir), "%s/depot", site.dir);
	snprintf(depot.uri, sizeof(depot.uri), "sqlite:%s/jobs.db", depot.dir);
	snprintf(depot.filler, sizeof(depot.filler), "%s/filler", depot.dir);
	if (mkdir(depot.dir, 0700) < 0)
		site_die(depot.dir);
	/* In a namespace of its own, as we are. Where that is not allowed, it is never full. */
	depot.mounted = mount("tmpfs", depot.dir, "tmpfs", 0, DEPOT_SIZE) == 0;
}

void depot_remove(bool keep)
{
	char command[2 * PATH_MAX + 64];

	depot_tend(true);
	if (!depot.mounted)
		return;
	snprintf(command, sizeof(command), "cp -r '%s' '%s/kept'", depot.dir, site.dir);
	if (keep && system(command) != 0)
		site_problem("the store could not be kept");
	umount2(depot.dir, MNT_DETACH);
	depot.mounted = false;
}

const char *depot_uri(void)
{
	return depot.uri;
}

bool depot_fill(unsigned ms)
{
	struct statvfs room;
	int fd;

	if (!depot.mounted || depot.full_until)
		return false;
	fd = open(depot.filler, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	if (fd < 0)
		return false;
	site_note(LEDGER_SPACE, 0, 0, ms);
	/* Others write meanwhile: until there is nothing left for them. */
	for (off_t size = 0; fstatvfs(fd, &room) == 0 && room.f_bavail > 0;) {
		off_t more = (off_t)(room.f_bavail * room.f_frsize);

		if (posix_fallocate(fd, size, more) == 0)
			size += more;
	}
	close(fd);
	depot.full_until = ym_deadline(ms);
	return true;
}

void depot_tend(bool now)
{
	if (!depot.full_until || (!now && ym_now_ns() < depot.full_until))
		return;
	depot.full_until = 0;
	unlink(depot.filler);
	depot.freed = ym_now_ns();
}

bool depot_is_behind(void)
{
	return depot.full_until || (depot.freed && ym_now_ns() < depot.freed + CAUGHT_UP_NS);
}

/* ---- reading --------------------------------------------------------------------------------- */

static struct store *open_reader(struct ym_err *err)
{
	const struct store_options options = {
	    .uri = depot.uri, .directory = site.dir, .instance = "chaos", .node = "chaos", .reader = true};
	struct store *store;

	return store_sqlite.open(&store, &options, err) < 0 ? NULL : store;
}

static int look_at(void *arg, const struct store_job *job)
{
	uint64_t *last = arg;

	*last = job->id;
	return 0;
}

static bool read_once(struct store *store, struct ym_err *err)
{
	struct store_filter filter = {.newest = site_pick(2), .bytes = site_pick(4) == 0, .limit = LISTED};
	struct store_story story = {0};
	struct store_tally tally;
	uint64_t last = 0;

	if (store_sqlite.list(store, &filter, look_at, &last, err) < 0)
		return false;
	if (last && store_sqlite.story(store, last, &story, err) < 0)
		return false;
	store_story_free(&story);
	return store_sqlite.tally(store, site_pools[site_pick(SITE_POOLS)], &tally, err) == 0;
}

void depot_read(unsigned times)
{
	for (unsigned i = 0; i < times; i++) {
		struct ym_err err = {0};
		struct store *store = open_reader(&err);

		/* Some stay for longer. */
		for (unsigned n = 1 + site_pick(20); store && n > 0 && read_once(store, &err); n--)
			site_nap(site_pick(READ_MS_MAX));
		if (store)
			store_sqlite.close(store);
		if (err.class == YM_ERR_CORRUPT)
			site_note(LEDGER_TORN, 0, 0, 0);
		site_nap(site_pick(READ_MS_MAX));
	}
	_exit(0);
}

/* ---- what is in it --------------------------------------------------------------------------- */

struct found {
	struct view_job *jobs;
	size_t count, room;
};

static int add(void *arg, const struct store_job *job)
{
	struct found *found = arg;
	struct view_job *to;

	if (found->count == found->room) {
		found->room = found->room ? 2 * found->room : 1024;
		found->jobs = realloc(found->jobs, found->room * sizeof(*found->jobs));
		if (!found->jobs)
			site_die("memory for jobs");
	}
	to = &found->jobs[found->count++];
	*to = (struct view_job){.id = job->id,
	                        .state = job->state,
	                        .attempt = job->attempt,
	                        .attempts = job->attempts,
	                        .crashes = job->crashes,
	                        .level = job->level};
	text_copy(to->pool, sizeof(to->pool), job->pool);
	text_copy(to->tag, sizeof(to->tag), job->tag);
	text_copy(to->error, sizeof(to->error), job->error);
	text_copy(to->unique, sizeof(to->unique), job->unique);
	if (job->held)
		text_copy(to->held_by, sizeof(to->held_by), "table");
	return 0;
}

/* All, or those in some states. */
static bool collect(unsigned states, struct found *found)
{
	const struct store_filter filter = {.states = states, .level = -1};
	struct ym_err err = {0};
	struct store *store = open_reader(&err);
	bool good = store && store_sqlite.list(store, &filter, add, found, &err) >= 0;

	if (store)
		store_sqlite.close(store);
	return good;
}

struct view_job *depot_jobs(size_t *count)
{
	struct found found = {.jobs = calloc(1, sizeof(struct view_job)), .room = 1};

	if (!found.jobs || !collect(LIVE_STATES, &found)) {
		free(found.jobs);
		return NULL;
	}
	*count = found.count;
	return found.jobs;
}

/* ---- check ----------------------------------------------------------------------------------- */

static void tell_line(void *arg, const char *line)
{
	unsigned *told = arg;

	if (++*told <= TOLD_LINES)
		site_problem("the store: %s", line);
}

static void verify(void)
{
	struct ym_err err = {0};
	struct store *store = open_reader(&err);
	unsigned told = 0;

	if (!store || store_sqlite.verify(store, tell_line, &told, &err) < 0)
		site_problem("the store cannot be verified: %s", err.text);
	if (store)
		store_sqlite.close(store);
}

/* Which jobs must have a row: accepted, and nobody wanted to delete them. */
static bool is_kept(const struct events *events, unsigned job)
{
	bool accepted = false;

	for (size_t i = events->first[job]; i != EVENTS_NONE; i = events->next[i]) {
		accepted |= events->all[i].kind == LEDGER_ACCEPTED;
		if (events->all[i].kind == LEDGER_DELETE)
			return false;
	}
	return accepted;
}

void depot_check(const struct events *events, const unsigned char *deleted)
{
	struct found found = {0};
	unsigned char *rows = calloc(events->jobs, 1);

	verify();
	if (!rows || !collect(0, &found))
		site_problem("the store cannot be read when all is over");
	for (size_t i = 0; rows && i < found.count; i++) {
		unsigned job = (unsigned)strtoul(found.jobs[i].tag, NULL, 10);

		if (found.jobs[i].held_by[0] || !job_state_over(found.jobs[i].state))
			site_problem("job %u (id %llu) is %s%s in the store after the end", job,
			             (unsigned long long)found.jobs[i].id, job_state_word(found.jobs[i].state),
			             found.jobs[i].held_by[0] ? ", and held," : "");
		if (job < events->jobs && rows[job]++ && site_problem("job %u is in the store twice", job))
			events_tell(events, job);
	}
	for (unsigned job = 1; rows && job < events->jobs; job++)
		if (!rows[job] && !deleted[job] && is_kept(events, job) &&
		    site_problem("job %u is not in the store", job))
			events_tell(events, job);
	free(found.jobs);
	free(rows);
}
