/*
 * yard.h - a running instance in the test's directory, with pools and limits as the master enters them.
 *
 * The test itself is participant 0, without being master: it sweeps when it wants to. Children join by themselves.
 */
#ifndef YM_TESTS_YARD_H
#define YM_TESTS_YARD_H

#include "../../ipc/queue.h"
#include "../../runtime/backlog.h"
#include "../../runtime/instance.h"
#include "../../runtime/payload.h"
#include "../../runtime/submit.h"
#include "../../runtime/sweep.h"
#include "faults.h"

#define PAYLOAD_MAX (4u << 20)
#define TTL_NS      UINT64_C(100000000)
#define AGEING_NS   UINT64_C(60000000000)

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
	ASSERT_OK(ym_registry_add(yard.group.reg, YM_OBJECT_QUEUE, object, 0, 0, 0, NULL, &err));
	row->queue = ym_registry_find(yard.group.reg, object)->id;
	snprintf(row->name, sizeof(row->name), "%s", name);
	atomic_store(&row->attempts, 3);
	atomic_store(&row->crashes, 3);
	atomic_store(&row->backoff_ms, 20);
	atomic_store(&row->backoff_max_ms, 3600000);
	atomic_store(&row->backoff_factor, 2);
	atomic_store(&row->ageing_ns, AGEING_NS);
	atomic_store(&row->level, 5);
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
	MUST(instance_locate(mine, "unit", directory, &err) == 0);
	MUST(instance_join(mine, "child", NULL, &err) == 0);
}

static inline void leave_yard(struct instance *mine)
{
	MUST(instance_leave(mine, NULL, &err) == 0);
}

/* ---- jobs ------------------------------------------------------------------------------------ */

static inline struct table_pool_sh *pool_row(void)
{
	return &yard.table->pools[pool];
}

/* A request like a client's that asks for nothing special; tests change what they are about. */
static inline struct job_request request_of(const char *payload)
{
	return (struct job_request){JOB_REQUEST_INIT, .pool = pool,
	                            .payload = {.data = payload, .size = strlen(payload)}};
}

static inline struct job_ref submit_request(struct job_request request)
{
	struct job_ref ref;

	ASSERT_OK(submit_job(&yard, &request, &ref, &err));
	return ref;
}

static inline struct job_ref submit(const char *payload)
{
	return submit_request(request_of(payload));
}

static inline struct job_ref submit_delayed(int64_t delay_ms)
{
	struct job_request request = request_of("later");

	request.delay_ms = delay_ms;
	return submit_request(request);
}

static inline struct job_ref submit_unique(const char *key)
{
	struct job_request request = request_of("once");

	request.unique = key;
	return submit_request(request);
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

/* Give the word of a job another state, as somebody else would. */
static inline uint64_t put_word(struct job_ref ref, enum job_state state, unsigned owner, unsigned attempt)
{
	uint64_t word = word_make(ref.gen, state, owner, attempt, 0);

	atomic_store(&yard.table->words[ref.slot], word);
	return word;
}

static inline uint32_t slots_in(enum job_state state)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < yard.table->slots; i++)
		n += word_state(atomic_load(&yard.table->words[i])) == state;
	return n;
}

static inline uint64_t tokens(void)
{
	struct ym_queue_stat stat;

	ASSERT_OK(ym_queue_stat(atomic_load(&pool_row()->queue), &stat, &err));
	return stat.messages;
}

/* Take the next job as a worker does, if there is one. */
static inline bool try_claim(struct job_ref *ref, uint64_t *word)
{
	if (!ready_take(&yard, pool, &ref->slot, word))
		return false;
	*ref = (struct job_ref){table_job(yard.table, ref->slot)->id, ref->slot, word_gen(*word)};
	return true;
}

static inline uint64_t claim_this(struct job_ref ref)
{
	struct job_ref found;
	uint64_t word;

	ck_assert_msg(try_claim(&found, &word), "there is no job to take");
	ck_assert_msg(found.id == ref.id, "job %ju comes before job %ju", (uintmax_t)found.id, (uintmax_t)ref.id);
	ck_assert_uint_eq(found.slot, ref.slot);
	ck_assert_uint_eq(found.gen, ref.gen);
	ck_assert_int_eq(state_of(ref), JOB_CLAIMED);
	return word;
}

static inline enum job_state finish(struct job_ref ref, uint64_t word, enum story_end end)
{
	struct job_report report = {.end = end, .error = end == STORY_DONE ? NULL : "no luck"};
	enum job_state became;

	ck_assert(dispatch_finish(&yard, ref.slot, word, &report, &became));
	ck_assert_int_eq(state_of(ref), became);
	return became;
}

/* Take the next job, which must be this one, and report. */
static inline enum job_state run_job(struct job_ref ref, enum story_end end)
{
	return finish(ref, claim_this(ref), end);
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
