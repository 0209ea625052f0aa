/* outcome.c - wait, print a result. */
#include "outcome.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "../../ipc/sys.h"
#include "../payload.h"
#include "../text.h"
#include "../transfer.h"

/* While waiting: how often to see whether there still is a master. */
#define LOOK_MS 2000

/* How long a stopped instance may take to come back. */
#define STOPPED_NS UINT64_C(10000000000)

bool outcome_keep(const struct outcome *outcome, struct job_ref ref)
{
	struct table_sh *table = outcome->instance->table;
	uint64_t word = atomic_load(&table->words[ref.slot]);

	/* A slot that is being filled or cleared away changes hands by its exact word: a flag would look like a theft. */
	while (word_gen(word) == ref.gen && word_state(word) != JOB_FREE && word_state(word) != JOB_FILLING &&
	       !(word_flags(word) & JOB_KEEP))
		if (table_cas(table, ref.slot, &word, word | JOB_KEEP))
			return true;
	return false;
}

void outcome_let_go(const struct outcome *outcome, struct job_ref ref)
{
	if (!outcome->unprinted)
		dispatch_forget(outcome->instance, ref);
}

/* Stopped in order, and nobody has started it again: who waits would keep what is left of it alive for nothing. */
static bool stopped_for_good(struct outcome *outcome)
{
	bool stopped = atomic_load(&outcome->instance->board->instance.master_state) == BOARD_MASTER_STOPPED;

	if (!stopped)
		outcome->stopped = 0;
	else if (outcome->stopped == 0)
		outcome->stopped = ym_now_ns();
	return stopped && ym_now_ns() > outcome->stopped + STOPPED_NS;
}

int outcome_wait(struct outcome *outcome, struct job_ref ref, struct awaited *found, struct ym_err *err)
{
	enum await_end end;

	do {
		uint64_t look = ym_deadline(LOOK_MS);

		end =
		    await_job(outcome->instance, ref, look < outcome->deadline ? look : outcome->deadline, found, err);
		if (end == AWAIT_LATE && stopped_for_good(outcome))
			return ym_fail(err, YM_ERR_NOT_RUNNING,
			               "the instance was stopped; job %llu is kept for its next start",
			               (unsigned long long)ref.id);
		if (end == AWAIT_LATE)
			client_note_master(outcome->instance,
			                   "waiting for workers that are still there, or for the next one",
			                   &outcome->warned);
	} while (end == AWAIT_LATE && ym_now_ns() < outcome->deadline);
	/* What a store does not know never was, or is long over. */
	if (end == AWAIT_UNKNOWN && table_stored(outcome->instance->table))
		return client_no_job(outcome->instance, ref.id, err);
	return end == AWAIT_OVER ? 0 : end == AWAIT_LATE ? 1 : -1;
}

static int print_bytes(const struct outcome *outcome, struct payload *result, struct ym_err *err)
{
	uint64_t copied = 0;
	enum transfer_end end;

	if (payload_path(result))
		end = transfer(STDOUT_FILENO, payload_fd(result, err), result->size, &copied);
	else
		end = transfer_write(STDOUT_FILENO, result->data, result->size, &copied);
	if (end != TRANSFER_DONE)
		return ym_fail_sys(err, errno, "%s the result, after %llu of %zu bytes",
		                   end == TRANSFER_NO_READ ? "read() of" : "write() to stdout of",
		                   (unsigned long long)copied, result->size);
	/* On a terminal, and between others, a text ends with a newline; bytes for another program are left as they are. */
	if (result->size > 0 ? ((const char *)result->data)[result->size - 1] == '\n' : !outcome->several)
		return 0;
	if (outcome->several || isatty(STDOUT_FILENO))
		transfer_write(STDOUT_FILENO, "\n", 1, &copied);
	return 0;
}

int outcome_print(struct outcome *outcome, struct job_ref ref, struct awaited *found)
{
	char error[JOB_ERROR_MAX];
	struct ym_err err;
	int code = 0;

	if (found->state == JOB_DONE) {
		outcome->unprinted = !outcome->quiet && print_bytes(outcome, &found->result, &err) < 0;
		code = outcome->unprinted ? command_fail(&err) : 0;
	} else {
		/* The words of the task. */
		text_cell(error, sizeof(error), found->error, sizeof(error), false);
		fprintf(stderr, "yardmaster: job %llu %s%s%s\n", (unsigned long long)ref.id,
		        job_state_word(found->state), error[0] ? ": " : "", error);
		code = ym_err_exit_code(YM_ERR_NO);
	}
	payload_close(&found->result);
	return code;
}

int outcome_of(struct outcome *outcome, struct job_ref ref)
{
	struct awaited found;
	struct ym_err err;
	int result = outcome_wait(outcome, ref, &found, &err);

	if (result < 0)
		return command_fail(&err);
	if (result == 0)
		return outcome_print(outcome, ref, &found);
	fprintf(stderr, "yardmaster: job %llu is not over yet%s%s%s\n", (unsigned long long)ref.id,
	        found.state == JOB_FREE ? "" : " (", found.state == JOB_FREE ? "" : job_state_word(found.state),
	        found.state == JOB_FREE ? "" : ")");
	return ym_err_exit_code(YM_ERR_TIMEOUT);
}
