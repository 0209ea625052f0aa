/* settle.c - wait for the end, look what is left. */
#include "settle.h"

#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>

#include "../../ipc/sem.h"
#include "../../ipc/sys.h"
#include "../../runtime/reach.h"
#include "depot.h"
#include "operator.h"
#include "site.h"

#define SETTLE_MS  40000
#define UNITS_MS   5000
#define OBJECTS_MS 5000
#define LOOK_MS    20
#define REACH_MS   2000
#define SLOTS_MS   5000

static unsigned number_of(const struct view_job *job)
{
	return (unsigned)strtoul(job->tag, NULL, 10);
}

static void print_job(const struct events *events, const struct view_job *job)
{
	printf("   job %u: id %llu, slot %u, gen %u, pool %s, %s, attempt %u/%u, crashes %u, level %u, held by \"%s\", "
	       "unique \"%s\", worker %d, error \"%s\"\n",
	       number_of(job), (unsigned long long)job->id, job->slot, job->gen, job->pool, job_state_word(job->state),
	       job->attempt, job->attempts, job->crashes, job->level, job->held_by, job->unique, job->pid, job->error);
	events_tell(events, number_of(job));
}

/* ---- jobs ------------------------------------------------------------------------------------ */

static bool was_buried_by_hand(const struct events *events, unsigned job)
{
	if (job >= events->jobs)
		return false;
	for (size_t i = events->first[job]; i != EVENTS_NONE; i = events->next[i])
		if (events->all[i].kind == LEDGER_BURY)
			return true;
	return false;
}

/* Kick what a client has buried and not kicked. Returns whether there was such a job. */
static bool look_at_buried(struct instance *instance, struct settled *settled, const struct events *events,
                           const struct view_job *job)
{
	unsigned number = number_of(job);
	enum reach_end end;

	if (strcmp(job->pool, site_pools[SITE_fragile]) == 0 && job->crashes >= SITE_CRASHES) {
		if (number < settled->jobs)
			settled->crashes[number] = (unsigned char)job->crashes;
		return false;
	}
	if (!was_buried_by_hand(events, number)) {
		if (number < settled->jobs && !settled->crashes[number] && site_problem("job %u was buried", number))
			print_job(events, job);
		if (number < settled->jobs)
			settled->crashes[number] = 255;
		return false;
	}
	site_note(LEDGER_KICK, number, 0, job->id);
	reach_jobs(instance, STORE_KICK, &job->id, 1, ym_deadline(REACH_MS), &end, NULL);
	return true;
}

/* All that are not over, and others, too. */
static struct view_job *all_jobs(const struct instance *instance, size_t *count)
{
	return site.stored ? depot_jobs(count) : view_jobs(instance, count, NULL);
}

/* How many are not over. `last`: say which. */
static size_t look_at_all(struct instance *instance, struct settled *settled, const struct events *events, bool last)
{
	size_t count, open = 0;
	struct view_job *jobs = all_jobs(instance, &count);

	if (!jobs)
		return 1;
	for (size_t i = 0; i < count; i++) {
		bool unfinished = !job_state_over(jobs[i].state);

		if (jobs[i].state == JOB_BURIED)
			unfinished = look_at_buried(instance, settled, events, &jobs[i]);
		open += unfinished;
		if (unfinished && last && site_problem("job %u is stuck", number_of(&jobs[i])))
			print_job(events, &jobs[i]);
	}
	free(jobs);
	return open;
}

static void print_pools(const struct instance *instance)
{
	for (unsigned i = 0; i < SITE_POOLS; i++) {
		int pool = table_pool(instance->table, site_pools[i]);
		const struct table_pool_sh *row = &instance->table->pools[pool < 0 ? 0 : pool];

		printf("   pool %s: ready lists %#x, sleeping %d, mode %u\n", site_pools[i], atomic_load(&row->ready),
		       atomic_load(&row->sleeping), atomic_load(&row->mode));
	}
}

static void await_jobs(struct instance *instance, struct settled *settled, struct events *events)
{
	uint64_t deadline = ym_deadline(SETTLE_MS);

	while (look_at_all(instance, settled, events, false) > 0) {
		if (ym_now_ns() > deadline) {
			events_read(events, events->jobs);
			look_at_all(instance, settled, events, true);
			print_pools(instance);
			return;
		}
		site_nap(LOOK_MS);
	}
}

static void delete_buried(struct instance *instance)
{
	size_t count;
	struct view_job *jobs = all_jobs(instance, &count);

	for (size_t i = 0; jobs && i < count; i++) {
		enum reach_end end;
		struct ym_err err = {0};

		if (jobs[i].state != JOB_BURIED)
			continue;
		reach_jobs(instance, STORE_DELETE, &jobs[i].id, 1, ym_deadline(REACH_MS), &end, &err);
		if (end != REACH_DONE)
			site_problem("buried job %u cannot be deleted (%d): %s", number_of(&jobs[i]), (int)end,
			             err.text);
	}
	free(jobs);
}

/* ---- slots ----------------------------------------------------------------------------------- */

/* A slot that nobody could use again, or one whose end the store was never told. */
static bool is_leaked(const struct instance *instance, uint32_t slot)
{
	uint64_t word = atomic_load(&instance->table->words[slot]);

	return !job_state_over(word_state(word)) || (word_flags(word) & JOB_STORED);
}

/* Pools of which the table says that jobs wait in the store. */
static bool is_miscounted(const struct instance *instance, unsigned pool)
{
	const struct table_pool_sh *row = &instance->table->pools[pool];

	return atomic_load(&row->stored_waiting) + atomic_load(&row->stored_delayed) > 0;
}

static void check_slots(const struct instance *instance)
{
	uint64_t deadline = ym_deadline(SLOTS_MS);

	for (uint32_t slot = 0; slot < instance->table->slots; slot++) {
		while (is_leaked(instance, slot) && ym_now_ns() < deadline)
			site_nap(LOOK_MS);
		if (is_leaked(instance, slot))
			site_problem("slot %u is lost: word %#llx, job id %llu", slot,
			             (unsigned long long)atomic_load(&instance->table->words[slot]),
			             (unsigned long long)table_job_const(instance->table, slot)->id);
	}
	for (unsigned pool = 0; pool < TABLE_POOLS; pool++) {
		while (is_miscounted(instance, pool) && ym_now_ns() < deadline)
			site_nap(LOOK_MS);
		if (is_miscounted(instance, pool))
			site_problem("jobs of pool %s are said to wait in the store, and all are over",
			             instance->table->pools[pool].name);
	}
}

/* ---- limits ---------------------------------------------------------------------------------- */

static int free_units(enum site_limit limit)
{
	struct ym_sem_stat stat;
	int id;

	if (ym_sem_find(site_limit_key[limit], &id, NULL) < 0 || ym_sem_stat(id, &stat, NULL) < 0)
		return -1;
	return stat.value;
}

static void check_limits(void)
{
	uint64_t deadline = ym_deadline(UNITS_MS);

	for (unsigned i = 0; i < SITE_LIMITS; i++) {
		/* Those of killed processes come back with them. */
		while (free_units(i) != site_limit_max[i] && ym_now_ns() < deadline)
			site_nap(LOOK_MS);
		if (free_units(i) != site_limit_max[i])
			site_problem("limit %s has %d units free of %d, and nobody holds any", site_limits[i],
			             free_units(i), site_limit_max[i]);
	}
}

/* ---- both ------------------------------------------------------------------------------------ */

void settle(struct settled *settled, struct events *events)
{
	struct instance instance;

	settled->jobs = events->jobs;
	settled->crashes = calloc(events->jobs, 1);
	site_await_master();
	if (!settled->crashes || !site_join(&instance)) {
		site_problem("the instance cannot be joined when all is over");
		return;
	}
	site_resume(&instance);
	operator_settle();
	await_jobs(&instance, settled, events);
	check_limits();
	delete_buried(&instance);
	check_slots(&instance);
	instance_leave(&instance, NULL, NULL);
}

/* `say`: what they are. */
static unsigned objects_left(bool say)
{
	static const char *const files[] = {"/proc/sysvipc/msg", "/proc/sysvipc/sem", "/proc/sysvipc/shm"};
	unsigned lines = 0;

	for (unsigned i = 0; i < 3; i++) {
		FILE *file = fopen(files[i], "r");
		char line[512];

		while (file && fgets(line, sizeof(line), file)) {
			lines++;
			if (say)
				printf("   %s", line);
		}
		if (file)
			fclose(file);
	}
	return lines - 3;
}

/* Names in a directory of the instance that begin like that. */
static void check_files(const char *below, const char *prefix)
{
	char path[PATH_MAX + 64];
	DIR *directory;

	snprintf(path, sizeof(path), "%s/%s", site.instance, below);
	directory = opendir(path);
	for (struct dirent *entry = directory ? readdir(directory) : NULL; entry; entry = readdir(directory))
		if (entry->d_name[0] != '.' && strncmp(entry->d_name, prefix, strlen(prefix)) == 0)
			site_problem("a file is left: %s/%s", path, entry->d_name);
	if (directory)
		closedir(directory);
}

/* With the instance, the program has ended. */
static void check_single(void)
{
	int fd = open(site.lock, O_CREAT | O_RDWR | O_CLOEXEC, 0600);

	if (flock(fd, LOCK_EX | LOCK_NB) < 0)
		site_problem("the program goes on after an orderly stop");
	close(fd);
}

/* What the clerk says when the store has let go of what the table had. */
static void check_log(void)
{
	static const char *const words[] = {"it may have run twice", "was given to another node"};
	FILE *log = fopen(site.log, "re");
	char line[600];

	while (log && fgets(line, sizeof(line), log))
		for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
			if (strstr(line, words[i]))
				site_problem("in the log: %s", line);
	if (log)
		fclose(log);
}

void settle_and_leave(void)
{
	uint64_t deadline;

	site_end_master(SIGTERM);
	for (deadline = ym_deadline(OBJECTS_MS); objects_left(false) > 0 && ym_now_ns() < deadline;)
		site_nap(LOOK_MS);
	if (objects_left(false) && site_problem("%u IPC objects are left", objects_left(false)))
		objects_left(true);
	check_single();
	check_files("jobs", "");
	check_files("", "backlog-");
	check_log();
}
