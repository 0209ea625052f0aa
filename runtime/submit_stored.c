/* submit_stored.c - with a store behind the table, a job is accepted when it is there. */
#include <string.h>

#include "../ipc/sys.h"
#include "stage.h"
#include "submit_self.h"

enum submit_verdict submit_stage(struct instance *instance, const struct job_request *request,
                                 struct submit_filled *one)
{
	struct table_sh *table = instance->table;
	struct job_sh *job = table_job(table, one->slot);

	if (submit_refuses(instance, request, POOL_DRAINING | POOL_REMOVED))
		return SUBMIT_DRAINING;
	if (submit_refuses(instance, request, POOL_LOADING))
		return SUBMIT_LOADING;
	job->ask = STAGE_SUBMIT;
	job->aim = (uint8_t)submit_first_state(request);
	one->id = job->id;
	if (!stage_put(table, one->slot, &one->word, request->past ? request->past->attempt : 0, submit_flags(request)))
		return SUBMIT_TAKEN_AWAY;
	return SUBMIT_STAGED;
}

/* The clerk has given the slot back. */
static void read_answer(struct instance *instance, struct submit_filled *one, struct ym_err *err)
{
	const struct job_sh *job = table_job(instance->table, one->slot);

	switch (job->verdict) {
	case STAGE_OK:
		one->verdict = SUBMIT_ACCEPTED;
		break;
	case STAGE_EXISTS:
		one->verdict = SUBMIT_EXISTS;
		one->id = job->other;
		break;
	default:
		one->verdict = SUBMIT_FAILED;
		ym_fail(err, (enum ym_err_class)job->refusal, "%.*s", JOB_ERROR_MAX, job->error);
	}
	dispatch_free(instance, one->slot, one->word);
}

/* How its wait has ended. */
static void settle(struct instance *instance, struct submit_filled *one, enum stage_end end, struct ym_err *err)
{
	switch (end) {
	case STAGE_LEFT:
		one->verdict = SUBMIT_ACCEPTED;
		return;
	case STAGE_ANSWERED:
		read_answer(instance, one, err);
		return;
	case STAGE_WITHDRAWN:
		dispatch_free(instance, one->slot, one->word);
		break;
	default:
		break;
	}
	one->verdict = SUBMIT_FAILED;
	stage_fail(instance, end, err);
}

static void await_one(struct instance *instance, struct submit_filled *one, uint64_t deadline, struct ym_err *err)
{
	settle(instance, one, stage_await(instance, one->slot, &one->word, deadline), err);
}

void submit_await(struct instance *instance, struct submit_filled *filled, size_t n, uint64_t deadline,
                  struct ym_err *err)
{
	struct ym_err later;
	enum stage_end end;
	size_t good = 0;

	if (n > 0)
		stage_ring(instance->table, true);
	for (; good < n; good++) {
		struct submit_filled *one = &filled[good];

		if (!stage_watch(instance, one->slot, &one->word, deadline, &end))
			break;
		settle(instance, one, end, err);
		if (one->verdict == SUBMIT_FAILED)
			break;
	}
	/*
	 * Others wait for the same reason: not as long again. The last one is taken back first, and the clerk takes the first
	 * one first: so none is stored behind one that is not.
	 */
	for (size_t i = n; i-- > good;)
		if (filled[i].verdict != SUBMIT_FAILED)
			await_one(instance, &filled[i], 0, i == good ? err : &later);
}

int submit_begin(struct instance *instance, const struct job_request *request, struct submit_pending *pending,
                 struct ym_err *err)
{
	struct submit_filled one;
	struct job_ref ref = {0};
	int result;

	*pending = (struct submit_pending){0};
	if (!table_stored(instance->table)) {
		result = submit_job(instance, request, &ref, err);
		*pending = (struct submit_pending){
		    .id = ref.id, .slot = ref.slot, .gen = ref.gen, .over = true, .existed = result == 1};
		return result < 0 ? -1 : 0;
	}
	if (submit_stage_one(instance, request, &one, err) < 0)
		return -1;
	*pending = (struct submit_pending){.id = one.id, .slot = one.slot, .gen = word_gen(one.word), .word = one.word};
	return 0;
}

void submit_go(struct instance *instance)
{
	if (table_stored(instance->table))
		stage_ring(instance->table, true);
}

bool submit_open(const struct instance *instance, const struct submit_pending *pending)
{
	return !pending->over && stage_open(instance->table, pending->slot, pending->word);
}

bool submit_withdraw(struct instance *instance, struct submit_pending *pending)
{
	if (pending->over || !stage_withdraw(instance->table, pending->slot, &pending->word))
		return false;
	dispatch_free(instance, pending->slot, pending->word);
	return true;
}

void submit_leave(struct instance *instance, const struct submit_pending *pending)
{
	if (!pending->over)
		stage_leave(instance, pending->slot, pending->word);
}

int submit_end(struct instance *instance, struct submit_pending *pending, bool give_up, struct job_ref *ref,
               struct ym_err *err)
{
	struct submit_filled one = {.slot = pending->slot, .word = pending->word, .id = pending->id};

	if (!pending->over) {
		if (!give_up && submit_open(instance, pending))
			return 2;
		await_one(instance, &one, 0, err);
		if (one.verdict == SUBMIT_FAILED)
			return -1;
		pending->existed = one.verdict == SUBMIT_EXISTS;
		pending->id = one.id;
		pending->over = true;
	}
	*ref = (struct job_ref){pending->id, pending->existed ? 0 : pending->slot, pending->existed ? 0 : pending->gen};
	return pending->existed;
}
