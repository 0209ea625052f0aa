/* test_other_user.c - what members of its Unix group do in an instance: work, submit, ring, use limits. */
#include <fcntl.h>
#include <sys/sem.h>

#include "../../runtime/bell.h"
#include "../../runtime/limit.h"
#include "other_user_support.h"

/* What runs in a worker: take two jobs, one small and one large, and give such results. */
static void work_as_nobody(void *arg)
{
	struct instance mine;

	(void)arg;
	become(NOBODY, GROUP);
	join_as_guest(&mine);
	for (char seed = 0; seed < 2; seed++) {
		char *bytes = large_bytes((char)(seed + 5));
		struct job_report report = {.end = STORY_DONE, .result = bytes, .result_size = seed ? LARGE : 5};
		struct payload payload;
		enum job_state state;
		uint32_t slot;
		uint64_t word;

		MUST(ready_take(&mine, pool, &slot, &word));
		MUST(payload_open(directory, table_job(mine.table, slot), slot, &payload, &err) == 0);
		if (seed)
			must_hold(&payload, 1);
		else
			MUST(payload.size == 5 && memcmp(payload.data, "small", 5) == 0);
		payload_close(&payload);
		MUST(dispatch_finish(&mine, slot, word, &report, &state) && state == JOB_DONE);
		free(bytes);
	}
	leave_yard(&mine);
}

START_TEST(jobs_run_as_another_user)
{
	struct job_request request = request_of("small");
	struct job_ref small, large;
	struct payload bytes;

	if (skipped)
		return;
	request.keep = true;
	small = submit_request(request);
	large = submit_large(&yard, 1);
	run_child(work_as_nobody, NULL);
	ck_assert_int_eq(state_of(small), JOB_DONE);
	ck_assert_int_eq(state_of(large), JOB_DONE);
	ASSERT_OK(payload_open_result(directory, job_of(small), small.slot, &bytes, &err));
	ck_assert_uint_eq(bytes.size, 5);
	payload_close(&bytes);
	ASSERT_OK(payload_open_result(directory, job_of(large), large.slot, &bytes, &err));
	must_hold(&bytes, 6);
	payload_close(&bytes);
	ck_assert_int_eq(ym_group_usage(&yard.group), 1);
}
END_TEST

static void submit_as_nobody(void *arg)
{
	struct instance mine;

	(void)arg;
	become(NOBODY, GROUP);
	join_as_guest(&mine);
	submit_large(&mine, 3);
	leave_yard(&mine);
}

START_TEST(a_member_submits)
{
	struct payload payload;
	struct job_ref ref;
	uint64_t word;

	if (skipped)
		return;
	run_child(submit_as_nobody, NULL);
	ck_assert(try_claim(&ref, &word));
	ASSERT_OK(payload_open(directory, job_of(ref), ref.slot, &payload, &err));
	must_hold(&payload, 3);
	payload_close(&payload);
	finish(ref, word, STORY_DONE);
}
END_TEST

static void ring_as_nobody(void *arg)
{
	(void)arg;
	become(NOBODY, GROUP);
	bell_ring(directory);
}

START_TEST(a_member_rings_the_bell)
{
	struct stat st;
	char letter;
	int fd;

	if (skipped)
		return;
	fd = bell_open(directory, &err);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(fstat(fd, &st), 0);
	ck_assert_uint_eq(st.st_mode & 07777, 0620);
	ck_assert_uint_eq(st.st_gid, GROUP);
	run_child(ring_as_nobody, NULL);
	ck_assert_int_eq(read(fd, &letter, 1), 1);
	close(fd);
}
END_TEST

/* The limit of a pool, as the master enters it. */
static key_t add_limit(void)
{
	struct table_limit_sh *row = &yard.table->limits[0];
	struct ym_entry_sh *entry;

	ASSERT_OK(ym_group_lock(&yard.group, &err));
	ASSERT_OK(ym_registry_add(yard.group.reg, YM_OBJECT_SEMAPHORE, "limit.x", 2, 0, 0, NULL, &err));
	ym_group_unlock(&yard.group);
	entry = ym_registry_find(yard.group.reg, "limit.x");
	snprintf(row->name, sizeof(row->name), "x");
	row->key = entry->key;
	atomic_store(&row->id, entry->id);
	atomic_store(&row->max, 2);
	atomic_store(&row->used, 1);
	atomic_store(&pool_row()->limits[0].limit, 0);
	atomic_store(&pool_row()->limits[0].units, 1);
	atomic_store(&pool_row()->nlimits, 1);
	return entry->key;
}

/* Takes a unit of the limit; or fails to, when it was removed (arg). */
static void uses_the_limit(void *arg)
{
	struct limit_set set;
	struct instance mine;
	int opened;

	become(NOBODY, GROUP);
	join_as_guest(&mine);
	opened = limit_set_open(&set, mine.table, pool, &err);
	if (arg) {
		MUST(opened == -1 && err.class == YM_ERR_NO && strstr(err.text, "limit x"));
	} else {
		MUST(opened == 0 && limit_set_take(&set, NULL, NULL, &err) == 0);
		MUST(limit_free(&mine.table->limits[0]) == 1);
		limit_set_close(&set);
	}
	leave_yard(&mine);
}

START_TEST(a_guest_uses_limits_but_makes_none)
{
	int id;

	if (skipped)
		return;
	add_limit();
	run_child(uses_the_limit, NULL);
	id = atomic_load(&yard.table->limits[0].id);
	ck_assert_int_eq(semctl(id, 0, IPC_RMID), 0);
	run_child(uses_the_limit, &id);
	ck_assert_int_eq(count_objects() - objects_before, 5);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("other_user");
	TCase *tcase = yard_case(suite, "work", begin_shared);

	tcase_add_test(tcase, jobs_run_as_another_user);
	tcase_add_test(tcase, a_member_submits);
	tcase_add_test(tcase, a_member_rings_the_bell);
	tcase_add_test(tcase, a_guest_uses_limits_but_makes_none);
	return run_suite(suite);
}
