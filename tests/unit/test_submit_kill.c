/* test_submit_kill.c - submitters killed at random: what was reported is there, once; the rest is whole or nothing. */
#include <sys/mman.h>

#include "batch.h"

#define LEDGER 8192

struct ledger {
	_Atomic unsigned count; /* refs that were reported */
	struct job_ref refs[LEDGER];
};
static struct ledger *ledger;

static void note(const struct job_ref *which, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		unsigned at = atomic_load(&ledger->count);

		ledger->refs[at] = which[i];
		atomic_store(&ledger->count, at + 1);
	}
}

/* Payloads short and long, keys, delays, one by one and in batches. */
static void submit_without_pause(void *arg)
{
	static char bytes[2 * JOB_PAYLOAD_MAX];
	struct instance mine;

	(void)arg;
	join_yard(&mine);
	for (unsigned round = 0; round < 40; round++) {
		size_t n = round % 3 ? 1 : 90;
		char keys[90][16];

		ask_for(n);
		for (size_t i = 0; i < n; i++) {
			snprintf(keys[i], sizeof(keys[i]), "key %u.%zu", round, i);
			requests[i].unique = i % 2 ? keys[i] : NULL;
			requests[i].delay_ms = i % 5 == 2 ? 100000 : 0;
			if (round % 4 == 3 || i % 30 == 7)
				requests[i].payload = (struct payload_source){.data = bytes, .size = sizeof(bytes)};
		}
		MUST(submit_jobs(&mine, requests, n, refs, NULL, &err) == n);
		note(refs, n);
	}
	sleep_for_ever();
}

/* Every job whose ref was reported is there, once; and those that are there, are whole. */
static unsigned check_jobs(void)
{
	static unsigned seen[LEDGER * 2];
	uint64_t first = ledger->count ? ledger->refs[0].id : 0;
	unsigned live = 0;

	memset(seen, 0, sizeof(seen));
	for (uint32_t slot = 0; slot < yard.table->slots; slot++) {
		enum job_state state = word_state(atomic_load(&yard.table->words[slot]));
		const struct job_sh *job = table_job(yard.table, slot);

		if (state == JOB_FREE)
			continue;
		MUST(state == JOB_READY || state == JOB_DELAYED);
		MUST(index_linked(&yard, slot) == (state == JOB_READY));
		MUST(job->payload_size == 1 || job->payload_size == 2 * JOB_PAYLOAD_MAX);
		live++;
		if (job->id >= first && job->id - first < COUNT(seen))
			MUST(seen[job->id - first]++ == 0);
	}
	for (unsigned i = 0; i < ledger->count; i++) {
		MUST(seen[ledger->refs[i].id - first] == 1);
		MUST(word_gen(word_of(ledger->refs[i])) == ledger->refs[i].gen);
		MUST(job_of(ledger->refs[i])->id == ledger->refs[i].id);
	}
	/* A batch is accepted before its refs are reported. */
	MUST(live >= ledger->count && live <= ledger->count + 90);
	return live;
}

/* All that is there, is found by a worker, or waits for its time; then nothing is left. */
static void clear_yard(unsigned live)
{
	struct job_ref ref;
	uint64_t word;

	for (; try_claim(&ref, &word); live--)
		finish(ref, word, STORY_DONE);
	for (uint32_t slot = 0; slot < yard.table->slots; slot++) {
		word = atomic_load(&yard.table->words[slot]);
		ref = (struct job_ref){table_job(yard.table, slot)->id, slot, word_gen(word)};
		live -= word_state(word) == JOB_DELAYED;
		if (word_state(word) != JOB_FREE)
			MUST(dispatch_delete(&yard, ref, &err) == 0);
	}
	ck_assert_uint_eq(live, 0);
	ck_assert_uint_eq(slots_in(JOB_FREE), yard.table->slots);
	ck_assert_uint_eq(count_files("jobs"), 0);
}

START_TEST(a_killed_submitter)
{
	unsigned unfinished = 0;

	ledger = mmap(NULL, sizeof(*ledger), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	for (int round = 0; round < 200; round++) {
		pid_t child;

		atomic_store(&ledger->count, 0);
		child = spawn(submit_without_pause, NULL);
		if (round % 4)
			WAIT_UNTIL(atomic_load(&ledger->count) > 0);
		usleep(random_below(round % 4 ? 1500 : 3000));
		kill_and_reap(child);
		run_sweep();
		unfinished += atomic_load(&ledger->count) < 1200;
		clear_yard(check_jobs());
	}
	/* Most were hit at their work. */
	ck_assert_uint_gt(unfinished, 100);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("submit_kill");
	TCase *tcase;

	tcase = yard_case(suite, "submit_kill", begin_many);
	tcase_add_test(tcase, a_killed_submitter);
	return run_suite(suite);
}
