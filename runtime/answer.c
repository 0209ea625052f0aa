/* answer.c - from a job in the table to a message in somebody's queue. */
#include "answer.h"

#include <string.h>

#include "log.h"
#include "payload.h"
#include "reply.h"

bool answer_send(struct instance *instance, uint32_t slot, uint64_t word)
{
	const struct job_sh *job = table_job(instance->table, slot);
	const struct job_reply to = {job->reply_key, job->reply_type, job->reply_form};
	struct payload result = {0};
	struct job_answer answer = {
	    .id = job->id,
	    .tag = job->tag,
	    .state = job_state_word(word_state(word)),
	    .error = job->error,
	    .attempts = word_attempt(word),
	};
	struct ym_err err;
	int sent;

	if (word_state(word) == JOB_DONE) {
		if (payload_open_result(instance->directory, job, slot, &result, &err) == 0) {
			answer.result = result.data;
			answer.result_size = result.size;
		} else {
			answer.error = err.text;
		}
	}
	sent = reply_send(&to, &answer, &err);
	if (word_state(word) == JOB_DONE)
		payload_close(&result);
	if (sent < 0)
		log_line(LOG_WARN, "job %llu: nobody gets its answer: %s", (unsigned long long)job->id, err.text);
	return sent <= 0;
}
