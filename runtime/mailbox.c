/* mailbox.c - questions to the clerk. */
#include "mailbox.h"

#include "../ipc/sys.h"
#include "slot.h"
#include "stage.h"

/* Asked together; the clerk answers them in one transaction. */
#define TOGETHER 128

/* Only the first one waits for room: who holds slots while he waits could hold up whom he waits for. */
static bool put(struct instance *instance, enum store_ask ask, uint64_t id, uint64_t deadline,
                struct mailbox_pending *question, struct ym_err *err)
{
	int64_t slot = slot_take(instance, deadline, &question->word, err);
	struct job_sh *job;

	if (slot < 0)
		return false;
	question->slot = (uint32_t)slot;
	if (slot_clear(instance, question->slot, err) < 0) {
		dispatch_free(instance, question->slot, question->word);
		return false;
	}
	job = table_job(instance->table, question->slot);
	job->id = id;
	job->ask = (uint8_t)(STAGE_ASK + ask);
	return stage_put(instance->table, question->slot, &question->word, 0, 0);
}

/* True: answered, and to be freed. */
static bool await(struct instance *instance, struct mailbox_pending *question, uint64_t deadline, struct ym_err *err)
{
	const struct job_sh *job = table_job(instance->table, question->slot);
	enum stage_end end = stage_await(instance, question->slot, &question->word, deadline);

	if (end != STAGE_ANSWERED) {
		if (end == STAGE_WITHDRAWN)
			dispatch_free(instance, question->slot, question->word);
		stage_fail(instance, end, err);
		return false;
	}
	if (job->verdict != STAGE_REFUSED)
		return true;
	ym_fail(err, (enum ym_err_class)job->refusal, "%.*s", JOB_ERROR_MAX, job->error);
	dispatch_free(instance, question->slot, question->word);
	return false;
}

static enum store_verdict verdict_of(const struct job_sh *job)
{
	static const enum store_verdict verdicts[] = {[STAGE_OK] = STORE_OK,
	                                              [STAGE_EXISTS] = STORE_EXISTS,
	                                              [STAGE_NONE] = STORE_NONE,
	                                              [STAGE_HELD] = STORE_HELD,
	                                              [STAGE_CANNOT] = STORE_CANNOT};

	return job->verdict < STAGE_REFUSED ? verdicts[job->verdict] : STORE_UNTAKEN;
}

int mailbox_begin(struct instance *instance, enum store_ask ask, uint64_t id, struct mailbox_pending *pending,
                  struct ym_err *err)
{
	if (!put(instance, ask, id, 0, pending, err))
		return -1;
	stage_ring(instance->table, true);
	return 0;
}

int mailbox_end(struct instance *instance, struct mailbox_pending *pending, enum store_verdict *verdict,
                struct ym_err *err)
{
	if (stage_open(instance->table, pending->slot, pending->word))
		return 2;
	if (!await(instance, pending, 0, err))
		return -1;
	*verdict = verdict_of(table_job(instance->table, pending->slot));
	dispatch_free(instance, pending->slot, pending->word);
	return 0;
}

void mailbox_leave(struct instance *instance, const struct mailbox_pending *pending)
{
	stage_leave(instance, pending->slot, pending->word);
}

/* As many as there is room for, up to TOGETHER. False in *go_on: one was not answered. */
static size_t ask_some(struct instance *instance, enum store_ask ask, const uint64_t *ids, size_t n, uint64_t deadline,
                       enum store_verdict *verdicts, bool *go_on, struct ym_err *err)
{
	struct mailbox_pending questions[TOGETHER];
	size_t asked = 0, answered = 0;
	bool good = true;

	while (asked < n && asked < TOGETHER &&
	       put(instance, ask, ids[asked], asked ? 0 : deadline, &questions[asked], err))
		asked++;
	stage_ring(instance->table, true);
	for (size_t i = 0; i < asked; i++) {
		/* Those behind one that was not answered are waited for as long, but they do not count. */
		if (!await(instance, &questions[i], deadline, good ? err : NULL)) {
			good = false;
			continue;
		}
		if (good)
			verdicts[answered++] = verdict_of(table_job(instance->table, questions[i].slot));
		dispatch_free(instance, questions[i].slot, questions[i].word);
	}
	*go_on = good && answered > 0;
	return answered;
}

size_t mailbox_ask(struct instance *instance, enum store_ask ask, const uint64_t *ids, size_t n, uint64_t deadline,
                   enum store_verdict *verdicts, struct ym_err *err)
{
	size_t done = 0;

	for (size_t i = 0; i < n; i++)
		verdicts[i] = STORE_UNTAKEN;
	for (bool go_on = true; go_on && done < n;)
		done += ask_some(instance, ask, ids + done, n - done, deadline, verdicts + done, &go_on, err);
	return done;
}

int mailbox_look(struct instance *instance, uint64_t id, uint64_t deadline, struct mailbox_look *look,
                 struct ym_err *err)
{
	struct mailbox_pending question;
	const struct job_sh *job;
	int result = 0;

	*look = (struct mailbox_look){.result.fd = -1};
	if (!put(instance, STORE_LOOK, id, deadline, &question, err))
		return -1;
	stage_ring(instance->table, true);
	if (!await(instance, &question, deadline, err))
		return -1;
	job = table_job(instance->table, question.slot);
	look->verdict = verdict_of(job);
	if (look->verdict == STORE_OK) {
		look->job = *job;
		look->state = (enum job_state)job->aim;
		look->attempt = job->tried;
		if (look->state == JOB_DONE)
			result = payload_open_result(instance->directory, job, question.slot, &look->result, err);
	}
	/* A result in a file stays mapped. */
	dispatch_free(instance, question.slot, question.word);
	return result;
}
