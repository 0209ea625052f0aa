/*
 * yard.h - a running instance in the test's directory, with pools and limits as the master enters them.
 *
 * The test itself is participant 0, without being master: it sweeps when it wants to. Children join by themselves.
 */
#ifndef YM_TESTS_YARD_H
#define YM_TESTS_YARD_H

#include "../../ipc/queue.h"
#include "../../ipc/sem.h"
#include "../../runtime/backlog.h"
#include "../../runtime/dispatch.h"
#include "../../runtime/feed.h"
#include "../../runtime/instance.h"
#include "../../runtime/park.h"
#include "../../runtime/payload.h"
#include "../../runtime/sweep.h"
#include "faults.h"

#define PAYLOAD_MAX (4u << 20)
#define TTL_NS      UINT64_C(100000000)

static struct instance yard;
static unsigned pool; /* the one pool most tests need */

static inline void yard_open(uint32_t slots)
{
	struct instance_sizes sizes = {
	    .slots = slots,
	    .rows = 4,
	    .participants = 200,
	    .payload_max = PAYLOAD_MAX,
	    .result_ttl_ns = TTL_NS,
	    .board_mode = 0600,
	};

	ASSERT_OK(instance_locate(&yard, "unit", directory, &err));
	ASSERT_OK(instance_prepare(&yard, &err));
	ASSERT_OK(instance_join(&yard, "test", &sizes, &err));
}

static inline void yard_close(void)
{
	bool last;

	ASSERT_OK(instance_leave(&yard, &last, &err));
	ck_assert(last);
}

/* As runtime/pool.c does it. */
static inline unsigned add_pool(const char *name)
{
	char object[YM_OBJECT_NAME_MAX];
	struct table_pool_sh *row;
	unsigned index = 0;

	while (atomic_load(&yard.table->pools[index].used))
		index++;
	row = &yard.table->pools[index];
	snprintf(object, sizeof(object), "queue.%s", name);
	ASSERT_OK(ym_group_lock(&yard.group, &err));
	ASSERT_OK(ym_registry_add(yard.group.reg, YM_OBJECT_QUEUE, object, 0, 0, 0600, NULL, &err));
	row->queue = ym_registry_find(yard.group.reg, object)->id;
	snprintf(row->name, sizeof(row->name), "%s", name);
	atomic_store(&row->attempts, 3);
	atomic_store(&row->backoff_ms, 20);
	atomic_store(&row->used, 1);
	ym_group_unlock(&yard.group);
	return index;
}

/* As runtime/master.c does it; the caller keeps the semaphore attached. */
static inline unsigned add_limit(const char *name, int max, struct ym_sem *sem)
{
	char object[YM_OBJECT_NAME_MAX];
	struct table_limit_sh *row;
	unsigned index = 0;

	while (atomic_load(&yard.table->limits[index].used))
		index++;
	row = &yard.table->limits[index];
	snprintf(object, sizeof(object), "limit.%s", name);
	ASSERT_OK(ym_group_lock(&yard.group, &err));
	ASSERT_OK(ym_registry_add(yard.group.reg, YM_OBJECT_SEMAPHORE, object, (size_t)max, 0, 0600, NULL, &err));
	row->key = ym_registry_find(yard.group.reg, object)->key;
	ASSERT_OK(ym_sem_get(sem, row->key, max, 0600, ym_deadline(PATIENCE_MS), &err));
	snprintf(row->name, sizeof(row->name), "%s", name);
	atomic_store(&row->id, sem->id);
	atomic_store(&row->max, max);
	atomic_store(&row->used, 1);
	ym_group_unlock(&yard.group);
	return index;
}

static inline void begin_yard_of(uint32_t slots)
{
	begin_test();
	open_steps();
	yard_open(slots);
	pool = add_pool("work");
}

static inline void begin_yard(void)
{
	begin_yard_of(16);
}

static inline void begin_large_yard(void)
{
	begin_yard_of(8192);
}

static struct sweep swept;

static inline void end_yard(void)
{
	sweep_free(&swept);
	yard_close();
	end_test();
}

/* A child's own participation. */
static inline void join_yard(struct instance *mine)
{
	ASSERT_OK(instance_locate(mine, "unit", directory, &err));
	ASSERT_OK(instance_join(mine, "child", NULL, &err));
}

/* ---- jobs ------------------------------------------------------------------------------------ */

static inline struct job_ref submit_request(struct job_request request)
{
	struct job_ref ref;

	request.pool = pool;
	ASSERT_OK(dispatch_submit(&yard, &request, &ref, &err));
	return ref;
}

static inline struct job_ref submit(const char *payload)
{
	return submit_request((struct job_request){.payload = payload, .size = strlen(payload)});
}

static inline uint64_t word_of(struct job_ref ref)
{
	return atomic_load(&yard.table->words[ref.slot]);
}

static inline enum job_state state_of(struct job_ref ref)
{
	ck_assert_uint_eq(word_gen(word_of(ref)), ref.gen);
	return word_state(word_of(ref));
}

static inline struct job_sh *job_of(struct job_ref ref)
{
	return table_job(yard.table, ref.slot);
}

static inline uint64_t tokens(void)
{
	struct ym_queue_stat stat;

	ASSERT_OK(ym_queue_stat(yard.table->pools[pool].queue, &stat, &err));
	return stat.messages;
}

static inline struct dispatch_token receive(struct instance *instance)
{
	struct dispatch_token token;

	ASSERT_OK(dispatch_receive(instance, pool, &token, &err));
	return token;
}

/* Take the next job as a worker does; its word. Tokens that are stale are passed over. */
static inline uint64_t claim(struct instance *instance, uint32_t *slot)
{
	struct dispatch_token token;
	uint64_t word;

	do
		token = receive(instance);
	while (!dispatch_claim(instance, token, &word));
	*slot = token.slot;
	return word;
}

static inline uint64_t claim_this(struct job_ref ref)
{
	uint32_t slot;
	uint64_t word = claim(&yard, &slot);

	ck_assert_uint_eq(slot, ref.slot);
	ck_assert_uint_eq(word_gen(word), ref.gen);
	ck_assert_int_eq(state_of(ref), JOB_CLAIMED);
	return word;
}

static inline enum job_state finish(struct job_ref ref, uint64_t word, enum job_state state)
{
	struct job_report report = {.state = state, .error = state == JOB_DONE ? NULL : "no luck"};
	enum job_state became;

	ck_assert(dispatch_finish(&yard, ref.slot, word, &report, &became));
	ck_assert_int_eq(state_of(ref), became);
	return became;
}

static inline void set_due(struct job_ref ref, uint64_t due)
{
	job_of(ref)->due = due;
}

/* ---- sweeps ---------------------------------------------------------------------------------- */

static inline void run_sweep(void)
{
	ASSERT_OK(sweep_run(&yard, &swept, &err));
}

static inline unsigned count_files(const char *folder)
{
	char path[PATH_MAX];
	unsigned n = 0;
	DIR *dir;

	join_path(path, folder);
	dir = opendir(path);
	ck_assert_ptr_nonnull(dir);
	for (struct dirent *entry = readdir(dir); entry; entry = readdir(dir))
		n += entry->d_name[0] != '.';
	closedir(dir);
	return n;
}

/* A case whose tests each begin with `begin` and end with end_yard(). */
static inline TCase *yard_case(Suite *suite, const char *name, SFun begin)
{
	TCase *tcase = tcase_create(name);

	tcase_add_checked_fixture(tcase, begin, end_yard);
	tcase_set_timeout(tcase, 60);
	suite_add_tcase(suite, tcase);
	return tcase;
}

#endif
