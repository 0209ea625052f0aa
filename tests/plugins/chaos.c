/*
 * chaos.c - the task of tests/chaos as a plugin: does what its order says and writes it down in the ledger of
 * option.ledger.
 */
#include <signal.h>
#include <stdio.h>
#include <time.h>

#include <yardmaster/plugin.h>

#include "../chaos/ledger.h"
#include "../chaos/order.h"

static int ledger;
static char pool;

static int open_ledger(const struct ym_plugin_config *config, char *error, size_t size)
{
	ledger = ledger_open(ym_option(config, "ledger", ""));
	pool = config->pool[0];
	if (ledger >= 0)
		return 0;
	snprintf(error, size, "option.ledger cannot be opened");
	return -1;
}

static void note(const ym_job *job, const struct order *order, enum ledger_kind kind)
{
	ledger_note(ledger, (struct ledger_event){.job = order->number,
	                                          .kind = (uint16_t)kind,
	                                          .attempt = (uint16_t)ym_attempt(job),
	                                          .worker = getpid(),
	                                          .value = (unsigned char)pool});
}

static void step(void)
{
	const struct timespec time = {.tv_nsec = ORDER_STEP_MS * 1000000};

	nanosleep(&time, NULL);
}

/* True when it was asked to stop; a deaf one does not hear that. */
static int go_on(ym_job *job, unsigned ms, int deaf)
{
	for (unsigned done = 0; done < ms; done += ORDER_STEP_MS) {
		if (!deaf && ym_cancelled(job))
			return 1;
		/* Where progress counts, who makes none has no more time. */
		if (ms < ORDER_HANG_MS)
			ym_progress(job, done, ms, "step %u", done);
		step();
	}
	return 0;
}

static int misbehave(ym_job *job, const struct order *order)
{
	switch (order->kind) {
	case ORDER_RETRY:
		note(job, order, LEDGER_RETRY);
		return YM_RETRY;
	case ORDER_CRASH:
		note(job, order, LEDGER_CRASH);
		raise(SIGKILL);
		return YM_FAIL;
	case ORDER_HANG:
		note(job, order, LEDGER_HANG);
		break;
	default:
		break;
	}
	if (go_on(job, ORDER_HANG_MS, order->kind == ORDER_HANG)) {
		note(job, order, LEDGER_BACK);
		return YM_CANCELLED;
	}
	note(job, order, LEDGER_FORGOTTEN);
	return YM_RETRY;
}

static int run(ym_job *job)
{
	static char result[ORDER_SIZE_MAX];
	struct order order = {0};
	size_t size;
	const char *payload = ym_payload(job, &size);

	if (!order_read(payload, size, &order)) {
		note(job, &order, LEDGER_BROKEN);
		ym_error(job, "the payload is damaged");
		return YM_FAIL;
	}
	note(job, &order, LEDGER_START);
	if (order.kind != ORDER_GOOD && ym_attempt(job) <= order.until)
		return misbehave(job, &order);
	if (go_on(job, order.ms, 0)) {
		note(job, &order, LEDGER_BACK);
		return YM_CANCELLED;
	}
	ym_result(job, result, order_result(result, &order));
	note(job, &order, LEDGER_END);
	return YM_OK;
}

YM_PLUGIN("chaos", .open = open_ledger, .run = run);
