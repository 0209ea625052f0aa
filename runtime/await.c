/* await.c - in the table, in the store, and back. */
#include "await.h"

#include <string.h>

#include "../ipc/sys.h"

#define LOOK_MS 1000
#define NAP_NS  UINT64_C(5000000)

uint64_t await_next_look(uint64_t deadline)
{
	uint64_t look = ym_deadline(LOOK_MS);

	return look < deadline ? look : deadline;
}

static enum await_end unknown(uint64_t id, struct ym_err *err)
{
	ym_fail(err, YM_ERR_GONE, "job %llu is no longer known: it is over, and its result is no longer kept",
	        (unsigned long long)id);
	return AWAIT_UNKNOWN;
}

/* ---- in the store ---------------------------------------------------------------------------- */

enum await_end await_ask(struct instance *instance, uint64_t id, struct awaited *awaited, struct ym_err *err)
{
	struct mailbox_look look;
	struct ym_err why;

	*awaited = (struct awaited){.state = JOB_FREE, .result = {.fd = -1}};
	if (mailbox_look(instance, id, ym_deadline(LOOK_MS), &look, &why) < 0) {
		payload_close(&look.result);
		return instance_gone(instance, err) ? AWAIT_FAILED : AWAIT_LATE;
	}
	if (look.verdict == STORE_NONE) {
		payload_close(&look.result);
		return unknown(id, err);
	}
	*awaited = (struct awaited){
	    .state = look.state, .attempt = look.attempt, .crashes = look.job.crashes, .result = look.result};
	memcpy(awaited->error, look.job.error, sizeof(awaited->error) - 1);
	return job_state_over(look.state) ? AWAIT_OVER : AWAIT_LATE;
}

/* ---- in the table ---------------------------------------------------------------------------- */

/* It is over, as `word` says. LATE: it changed while it was read (kicked, or its slot was used again). */
static enum await_end read_slot(struct instance *instance, struct job_ref ref, uint64_t word, struct awaited *awaited,
                                struct ym_err *err)
{
	struct job_sh *job = table_job(instance->table, ref.slot);
	int opened = 0;

	*awaited = (struct awaited){
	    .state = word_state(word), .attempt = word_attempt(word), .crashes = job->crashes, .result = {.fd = -1}};
	memcpy(awaited->error, job->error, sizeof(awaited->error) - 1);
	if (awaited->state == JOB_DONE)
		opened = payload_open_result(instance->directory, job, ref.slot, &awaited->result, err);
	atomic_thread_fence(memory_order_acquire);
	if (opened == 0 && word_same(atomic_load(&instance->table->words[ref.slot]), word))
		return AWAIT_OVER;
	payload_close(&awaited->result);
	return word_same(atomic_load(&instance->table->words[ref.slot]), word) ? AWAIT_FAILED : AWAIT_LATE;
}

/* As long as it is there, and until `look` at most. */
static enum await_end in_table(struct instance *instance, struct job_ref ref, uint64_t look, struct awaited *awaited,
                               struct ym_err *err)
{
	uint64_t word = 0;
	int result = dispatch_wait(instance, ref, look, &word, err);

	if (result == 0)
		return read_slot(instance, ref, word, awaited, err);
	if (instance_gone(instance, err))
		return AWAIT_FAILED;
	if (result < 0)
		return table_stored(instance->table) ? AWAIT_LATE : AWAIT_UNKNOWN;
	*awaited = (struct awaited){.state = word_state(word), .attempt = word_attempt(word), .result = {.fd = -1}};
	return AWAIT_LATE;
}

enum await_end await_job(struct instance *instance, struct job_ref ref, uint64_t deadline, struct awaited *awaited,
                         struct ym_err *err)
{
	uint64_t nap = NAP_NS, word, now;

	*awaited = (struct awaited){.state = JOB_FREE, .result = {.fd = -1}};
	for (;;) {
		bool here = reach_find(instance, &ref, &word) == 0;
		enum await_end end = here ? in_table(instance, ref, await_next_look(deadline), awaited, err)
		                     : table_stored(instance->table) ? await_ask(instance, ref.id, awaited, err)
		                     : instance_gone(instance, err)  ? AWAIT_FAILED
		                                                     : unknown(ref.id, err);

		if (end != AWAIT_LATE)
			return end;
		payload_close(&awaited->result);
		now = ym_now_ns();
		if (now >= deadline)
			return AWAIT_LATE;
		if (!here) {
			ym_nap((long)(deadline - now < nap ? deadline - now : nap));
			nap = nap < AWAIT_NAP_MAX_NS ? 2 * nap : nap;
		}
	}
}
