/* client.c - what a user does with an instance, in random order. */
#include "client.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sem.h>
#include <time.h>

#include "../../ipc/sys.h"
#include "../../runtime/reach.h"
#include "../../runtime/submit.h"
#include "order.h"
#include "site.h"

#define BATCH_MAX    60
#define KEYS         3
#define JOB_MS_MAX   12
#define JOB_MS_LONG  150 /* longer than stopwaitsecs: given back at an orderly stop */
#define WAIT_MS      1500
#define ASK_MS       5
#define CRASH_ALWAYS 1000
#define SUBMIT_MS    200
#define PAUSE_MS_MAX 60

struct one {
	struct order order;
	unsigned pool; /* enum site_pool */
	unsigned key;  /* 0: none */
	char text[8], tag[16];
	char payload[ORDER_SIZE_MAX];
};

struct client {
	struct instance instance;
	struct one *ones; /* BATCH_MAX */
	struct job_request requests[BATCH_MAX];
	struct job_ref refs[BATCH_MAX]; /* gen 0: the job of somebody else */
	bool existed[BATCH_MAX];
};

static int64_t unix_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void __attribute__((noreturn)) leave(struct client *client)
{
	instance_leave(&client->instance, NULL, NULL);
	_exit(0);
}

/* ---- submit ---------------------------------------------------------------------------------- */

static unsigned choose_pool(void)
{
	unsigned n = site_pick(100);

	return n < 22   ? SITE_plain
	       : n < 38 ? SITE_limited
	       : n < 54 ? SITE_shared
	       : n < 64 ? SITE_command
	       : n < 69 ? SITE_fragile
	       : n < 74 ? SITE_moving
	       : n < 80 ? SITE_rated
	       : n < 88 ? SITE_dynamic
	       : n < 96 ? SITE_on_demand
	                : SITE_extra;
}

static char choose_kind(unsigned pool)
{
	unsigned n = site_pick(100);

	if (pool == SITE_fragile || pool == SITE_moving)
		return n < 40 ? ORDER_CRASH : ORDER_GOOD;
	return n < 80 ? ORDER_GOOD : n < 91 ? ORDER_RETRY : n < 94 ? ORDER_CRASH : n < 97 ? ORDER_SLOW : ORDER_HANG;
}

static void invent(struct one *one, unsigned number, unsigned pool)
{
	one->pool = pool;
	one->order = (struct order){
	    .number = number,
	    .kind = choose_kind(one->pool),
	    .ms = site_pick(60) ? site_pick(JOB_MS_MAX) : JOB_MS_LONG,
	    .until = 1 + site_pick(2),
	    .bytes = site_pick(4) ? 0 : site_pick(site_pick(4) ? 800 : ORDER_BYTES_MAX),
	};
	/* Good attempts have to fit into the timeout. */
	if (order_is_timed(one->order.kind))
		one->order.ms = site_pick(5);
	/* So short that only the rate holds them up. */
	if (one->pool == SITE_rated)
		one->order.ms = site_pick(3);
	if (one->pool == SITE_fragile && one->order.kind == ORDER_CRASH)
		one->order.until = CRASH_ALWAYS;
	if (one->order.kind == ORDER_HANG || one->pool == SITE_moving)
		one->order.until = 1;
	one->key = one->pool != SITE_moving && one->pool != SITE_fragile && site_pick(5) == 0 ? 1 + site_pick(KEYS) : 0;
	snprintf(one->text, sizeof(one->text), "key%u", one->key);
	/* How to find the job again in the table. */
	snprintf(one->tag, sizeof(one->tag), "%u", number);
}

static void ask(struct job_request *request, struct one *one, int pool, bool keep)
{
	*request = (struct job_request){
	    JOB_REQUEST_INIT,
	    .pool = (unsigned)pool,
	    .payload = {.data = one->payload, .size = order_write(one->payload, &one->order)},
	    .tag = one->tag,
	    .unique = one->key ? one->text : NULL,
	    .keep = keep,
	    .deadline = ym_deadline(SUBMIT_MS),
	};
	if (site_pick(2))
		request->level = (int)site_pick(INDEX_LEVELS);
	if (site_pick(6) == 0)
		request->delay_ms = site_pick(200);
	else if (site_pick(12) == 0)
		request->at_ms = unix_ms() + site_pick(200);
	if (order_is_timed(one->order.kind))
		request->timeout_ms = ORDER_TIMEOUT_MS;
}

/* Was the submitter told that nothing was done? Of what has no answer, it is not known. */
static bool is_certain(const struct ym_err *err)
{
	return (err->class != YM_ERR_TIMEOUT && err->class != YM_ERR_GONE) || strstr(err->text, "nothing was done");
}

/* Returns how many were taken in. */
static size_t submit(struct client *client, unsigned from, size_t n, bool keep)
{
	struct ym_err err = {0};
	unsigned common = site_pick(3) ? SITE_POOLS : site_pick(SITE_POOLS);
	size_t taken;

	for (size_t i = 0; i < n; i++) {
		struct one *one = &client->ones[i];
		int pool;

		invent(one, from + (unsigned)i, common < SITE_POOLS ? common : choose_pool());
		pool = table_pool(client->instance.table, site_pools[one->pool]);
		/* The master has not entered it yet. */
		if (pool < 0)
			leave(client);
		ask(&client->requests[i], one, pool, keep);
		site_note(LEDGER_SUBMIT, one->order.number, 0,
		          LEDGER_VALUE(site_pools[one->pool][0], one->order.kind, one->key));
	}
	taken = submit_jobs(&client->instance, client->requests, n, client->refs, client->existed, &err);
	/* As ym_client_submit_many() asks: accepted while the instance was there, or nothing is known of it. */
	if (instance_gone(&client->instance, &err))
		leave(client);
	for (size_t i = 0; i < taken; i++) {
		bool other = client->existed[i];

		site_note(other ? LEDGER_EXISTED : LEDGER_ACCEPTED, from + (unsigned)i, 0, client->refs[i].id);
		if (other)
			client->refs[i].gen = 0;
	}
	if (taken < n)
		site_note(is_certain(&err) ? LEDGER_REFUSED : LEDGER_FULL, from + (unsigned)taken, 0, err.class);
	return taken;
}

/* ---- wait ------------------------------------------------------------------------------------ */

static enum ledger_kind compare(const struct one *one, const struct payload *result)
{
	static char expected[ORDER_SIZE_MAX];
	size_t size = order_result(expected, &one->order);

	return result->size == size && memcmp(result->data, expected, size) == 0 ? LEDGER_DONE : LEDGER_WRONG;
}

/* Its kind of end; LEDGER_KINDS: it did not come, or is none that is noted. */
static enum ledger_kind wait_in_table(struct client *client, const struct one *one, struct job_ref ref,
                                      uint64_t deadline)
{
	enum ledger_kind kind = LEDGER_KINDS;
	struct payload bytes;
	uint64_t word;
	int result = dispatch_wait(&client->instance, ref, deadline, &word, NULL);

	if (result < 0)
		return LEDGER_LOST;
	if (result == 0 && word_state(word) == JOB_DONE) {
		kind = payload_open_result(client->instance.directory, table_job(client->instance.table, ref.slot),
		                           ref.slot, &bytes, NULL) == 0
		           ? compare(one, &bytes)
		           : LEDGER_LOST;
		payload_close(&bytes);
	}
	if (result == 0)
		dispatch_forget(&client->instance, ref);
	return kind;
}

/* The store has the last word: what the table says of a job that is over may be gone by now. */
static enum ledger_kind wait_for_store(struct client *client, const struct one *one, struct job_ref ref,
                                       uint64_t deadline)
{
	do {
		struct mailbox_look look;
		enum ledger_kind kind = LEDGER_KINDS;
		bool over = mailbox_look(&client->instance, ref.id, deadline, &look, NULL) == 0 &&
		            (look.verdict == STORE_NONE || job_state_over(look.state));

		if (over && look.verdict == STORE_NONE)
			kind = LEDGER_LOST;
		else if (over && look.state == JOB_DONE)
			kind = compare(one, &look.result);
		payload_close(&look.result);
		if (over)
			return kind;
		site_nap(ASK_MS);
	} while (ym_now_ns() < deadline);
	return LEDGER_KINDS;
}

static void wait_for(struct client *client, size_t n)
{
	uint64_t deadline = ym_deadline(WAIT_MS);

	for (size_t i = 0; i < n; i++) {
		struct job_ref ref = client->refs[i];
		const struct one *one = &client->ones[i];
		enum ledger_kind kind;

		if (ref.gen == 0)
			continue;
		kind = (site.stored ? wait_for_store : wait_in_table)(client, one, ref, deadline);
		if (kind != LEDGER_KINDS)
			site_note(kind, one->order.number, 0, ref.id);
	}
}

/* ---- control --------------------------------------------------------------------------------- */

static enum reach_end reach(struct client *client, enum store_ask ask, struct job_ref ref)
{
	enum reach_end end;

	reach_jobs(&client->instance, ask, &ref.id, 1, ym_deadline(WAIT_MS), &end, NULL);
	return end;
}

static void cancel(struct client *client, struct job_ref ref, unsigned number)
{
	enum job_state state = JOB_CANCELLED;
	enum reach_end end;
	uint64_t word;

	site_note(LEDGER_CANCEL, number, 0, ref.id);
	end = reach(client, STORE_CANCEL, ref);
	if (end != REACH_DONE && end != REACH_ASKED)
		return;
	word = atomic_load(&client->instance.table->words[ref.slot]);
	/* It may have left the table before. */
	if (word_gen(word) == ref.gen && word_state(word) != JOB_FREE && word_state(word) != JOB_FILLING)
		state = word_state(word);
	else if (end == REACH_ASKED)
		state = JOB_CLAIMED;
	site_note(LEDGER_CANCELLED, number, 0, state);
}

static void delete (struct client *client, struct job_ref ref, unsigned number)
{
	site_note(LEDGER_DELETE, number, 0, ref.id);
	if (reach(client, STORE_DELETE, ref) == REACH_DONE)
		site_note(LEDGER_DELETED, number, 0, ref.id);
}

static void bury_and_kick(struct client *client, struct job_ref ref, unsigned number)
{
	site_note(LEDGER_BURY, number, 0, ref.id);
	reach(client, STORE_BURY, ref);
	site_nap(site_pick(20));
	site_note(LEDGER_KICK, number, 0, ref.id);
	reach(client, STORE_KICK, ref);
}

static void pause_pool(struct client *client)
{
	int pool = table_pool(client->instance.table, site_pools[site_pick(SITE_POOLS)]);
	uint32_t mode = site_pick(2) ? POOL_PAUSED : POOL_DRAINING;

	if (pool < 0)
		return;
	dispatch_mode(&client->instance, (unsigned)pool, mode, 0);
	site_nap(site_pick(PAUSE_MS_MAX));
	dispatch_mode(&client->instance, (unsigned)pool, 0, mode);
}

static void control(struct client *client, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		unsigned number = client->ones[i].order.number, what = site_pick(40);

		if (client->refs[i].gen == 0)
			continue;
		if (what == 0)
			cancel(client, client->refs[i], number);
		else if (what == 1)
			delete (client, client->refs[i], number);
		else if (what == 2)
			bury_and_kick(client, client->refs[i], number);
	}
	if (site_pick(12) == 0)
		pause_pool(client);
}

/* ---- both kinds ------------------------------------------------------------------------------ */

void client_run(unsigned from, unsigned count)
{
	static struct client client;

	client.ones = calloc(BATCH_MAX, sizeof(*client.ones));
	if (!client.ones || !site_join(&client.instance))
		_exit(0);
	if (site_pick(4) == 0)
		site_resume(&client.instance);
	/* Numbers that were not taken in are not used again. */
	for (unsigned done = 0, n, taken; done < count; done += n) {
		bool keep = site_pick(4) == 0;

		n = site_pick(3) ? 1 : 1 + site_pick(BATCH_MAX);
		if (n > count - done)
			n = count - done;
		taken = (unsigned)submit(&client, from + done, n, keep);
		if (taken == 0)
			break;
		if (!keep)
			control(&client, taken);
		else
			wait_for(&client, taken);
	}
	leave(&client);
}

/* As PHP does it: attached as long as it holds a unit, so that the set stays what it is. */
void client_hold(unsigned ms)
{
	unsigned limit = site_pick(SITE_LIMITS);
	struct sembuf take[] = {{YM_SEM_USAGE, 1, SEM_UNDO}, {YM_SEM_VALUE, -1, SEM_UNDO}};
	struct sembuf give[] = {{YM_SEM_VALUE, 1, SEM_UNDO}, {YM_SEM_USAGE, -1, SEM_UNDO}};
	const struct timespec patience = {.tv_nsec = 200000000};
	int id = semget(site_limit_key[limit], 0, 0);

	if (id < 0 || semtimedop(id, take, 2, &patience) < 0)
		_exit(0);
	site_note(LEDGER_HOLD, 0, getpid(), limit);
	site_nap(ms);
	site_note(LEDGER_RELEASE, 0, getpid(), limit);
	semop(id, give, 2);
	_exit(0);
}
