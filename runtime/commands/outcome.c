/* outcome.c - wait, print a result. */
#include "outcome.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "../../ipc/sys.h"
#include "../payload.h"
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

int outcome_wait(struct outcome *outcome, struct job_ref ref, uint64_t *word, struct ym_err *err)
{
	int result;

	do {
		uint64_t look = ym_deadline(LOOK_MS);

		result = dispatch_wait(outcome->instance, ref, look < outcome->deadline ? look : outcome->deadline,
		                       word, err);
		if (result == 1 && stopped_for_good(outcome))
			return ym_fail(err, YM_ERR_NOT_RUNNING,
			               "the instance was stopped; job %llu is kept for its next start",
			               (unsigned long long)ref.id);
		if (result == 1)
			client_note_master(outcome->instance,
			                   "waiting for workers that are still there, or for the next one",
			                   &outcome->warned);
	} while (result == 1 && ym_now_ns() < outcome->deadline);
	return result;
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

static int print_result(const struct outcome *outcome, struct job_ref ref, struct ym_err *err)
{
	struct instance *instance = outcome->instance;
	struct payload result;
	int printed;

	if (outcome->quiet)
		return 0;
	printed =
	    payload_open_result(instance->directory, table_job(instance->table, ref.slot), ref.slot, &result, err);
	if (printed == 0)
		printed = print_bytes(outcome, &result, err);
	payload_close(&result);
	return printed;
}

int outcome_print(struct outcome *outcome, struct job_ref ref, uint64_t word)
{
	const char *error = table_job(outcome->instance->table, ref.slot)->error;
	struct ym_err err;

	if (word_state(word) == JOB_DONE) {
		outcome->unprinted = print_result(outcome, ref, &err) < 0;
		return outcome->unprinted ? command_fail(&err) : 0;
	}
	fprintf(stderr, "yardmaster: job %llu %s%s%.*s\n", (unsigned long long)ref.id, job_state_word(word_state(word)),
	        *error ? ": " : "", JOB_ERROR_MAX, error);
	return ym_err_exit_code(YM_ERR_NO);
}

int outcome_of(struct outcome *outcome, struct job_ref ref)
{
	struct ym_err err;
	uint64_t word = 0;
	int result = outcome_wait(outcome, ref, &word, &err);

	if (result < 0)
		return command_fail(&err);
	if (result == 0)
		return outcome_print(outcome, ref, word);
	fprintf(stderr, "yardmaster: job %llu is not over yet (%s)\n", (unsigned long long)ref.id,
	        job_state_word(word_state(word)));
	return ym_err_exit_code(YM_ERR_TIMEOUT);
}
