/* overtime.c - jobs that take too long. */
#include "overtime.h"

#include <signal.h>
#include <stdio.h>

/*
 * So long may a worker need to write down how its job ended; and as long again as a slow disk needs for the longest
 * result.
 */
#define FINISHING_NS     UINT64_C(30000000000)
#define FINISHING_NS_MIB UINT64_C(1000000000)

#define HAD_ITS_TIME "has had its time"

bool overtime_make_victim(struct pass *pass, unsigned owner, struct sweep_asked *asked)
{
	const struct ym_group *group = &pass->instance->group;
	int32_t pid = owner < group->capacity ? atomic_load(&group->reg->members[owner].pid) : 0;

	if (!pass->out->signal || !pass->out->signal(pass->out->arg, owner, SIGKILL, HAD_ITS_TIME))
		return false;
	asked->victim = (uint16_t)(owner + 1);
	asked->victim_pid = pid;
	soon(pass, pass->now + VICTIM_NS);
	return true;
}

/* When the time of a running job is up; where the pool allows it, progress starts the time anew. 0: never. */
static uint64_t deadline_of(struct pass *pass, const struct job_sh *job, uint64_t word)
{
	const struct board_sh *board = pass->instance->board;
	uint64_t deadline = job->deadline, timeout = (uint64_t)job->timeout_ms * 1000000u;

	if (deadline == 0 || pass->now < deadline || !atomic_load(&pass->instance->table->pools[job_pool(job)].touch))
		return deadline;
	for (uint32_t i = 0; i < board->instance.rows; i++) {
		struct board_work work;
		struct board_progress progress;

		if (board_read_work(&board->workers[i], &work) && work.slot == word_owner(word) &&
		    work.job == job->id && board_read_progress(&board->workers[i], &progress) &&
		    progress.job == job->id && progress.attempt == word_attempt(word) &&
		    progress.updated + timeout > deadline)
			deadline = progress.updated + timeout;
	}
	return deadline;
}

static void say_timed_out(const struct job_sh *job, char text[JOB_ERROR_MAX])
{
	snprintf(text, JOB_ERROR_MAX, "timed out after %lld ms and did not stop when asked: its worker was killed",
	         (long long)job->timeout_ms);
}

/* Revoked first, killed after: whatever the worker still reports is refused. Started again only when it is dead. */
static void take_away(struct pass *pass, uint32_t slot, uint64_t word, struct sweep_asked *asked)
{
	struct instance *instance = pass->instance;
	uint64_t mine = word;
	char text[JOB_ERROR_MAX];

	if (!table_change(instance->table, slot, &mine, JOB_FIXING, instance->group.slot, word_attempt(word)))
		return;
	if (overtime_make_victim(pass, word_owner(word), asked))
		return;
	say_timed_out(table_job(instance->table, slot), text);
	sweep_settle(pass, slot, mine, STORY_TIMED_OUT, text, NULL);
}

/* It may have left in order just before the signal came, and another one has its number by now. */
static bool lives(const struct pass *pass, unsigned slot, int32_t pid)
{
	const struct ym_group *group = &pass->instance->group;

	return !is_dead(pass, slot) && (ym_group_alive(group, slot) || is_ending(pass, slot)) &&
	       atomic_load(&group->reg->members[slot].pid) == pid;
}

void overtime_check_victim(struct pass *pass, uint32_t slot, uint64_t word)
{
	struct sweep_asked *asked = &pass->out->asked[slot];
	const struct sweep_death *death;
	char text[JOB_ERROR_MAX];

	/* We know of none: the program before an upgrade in place did. */
	if (asked->victim == 0 || asked->gen != word_gen(word) || asked->attempt != word_attempt(word)) {
		sweep_clear_up_again(pass, slot, word);
		return;
	}
	if (lives(pass, asked->victim - 1u, asked->victim_pid)) {
		soon(pass, pass->now + VICTIM_NS);
		return;
	}
	death = pass->out->death ? pass->out->death(pass->out->arg, asked->victim - 1u) : NULL;
	asked->victim = 0;
	say_timed_out(table_job(pass->instance->table, slot), text);
	sweep_settle(pass, slot, word, STORY_TIMED_OUT, text, death);
}

void overtime_check(struct pass *pass, uint32_t slot, uint64_t word)
{
	struct table_sh *table = pass->instance->table;
	const struct job_sh *job = table_job(table, slot);
	uint64_t deadline = deadline_of(pass, job, word), grace;
	struct sweep_asked *asked;

	if (deadline == 0)
		return;
	if (pass->now < deadline) {
		soon(pass, deadline);
		return;
	}
	if (!(word_flags(word) & JOB_TIMED_OUT) && !table_cas(table, slot, &word, word | (uint64_t)JOB_TIMED_OUT))
		return;
	/* The grace begins when the job is asked, however late that is (nobody asks while there is no master). */
	asked = sweep_asked_of(pass, slot, word);
	grace = (uint64_t)atomic_load(&table->pools[job_pool(job)].timeout_grace_ms) * 1000000u;
	if (pass->now >= asked->at + 2 * grace) {
		take_away(pass, slot, word, asked);
		return;
	}
	if (pass->now >= asked->at + grace && !asked->termed) {
		asked->termed = true;
		if (pass->out->signal)
			pass->out->signal(pass->out->arg, word_owner(word), SIGTERM, HAD_ITS_TIME);
	}
	soon(pass, asked->at + (asked->termed ? 2 : 1) * grace);
}

void overtime_check_finishing(struct pass *pass, uint32_t slot, uint64_t word)
{
	struct sweep_asked *asked = sweep_asked_of(pass, slot, word);
	uint64_t end;

	if (asked->stuck)
		return;
	if (asked->finishing == 0)
		asked->finishing = pass->now;
	end = asked->finishing + FINISHING_NS + (pass->instance->table->payload_max >> 20) * FINISHING_NS_MIB;
	if (pass->now < end)
		soon(pass, end);
	else if (pass->out->signal)
		asked->stuck = pass->out->signal(pass->out->arg, word_owner(word), SIGKILL,
		                                 "has ended, but it cannot write that down (is it stopped?)");
}
