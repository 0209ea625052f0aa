/* task.c - read the order, obey. */
#include "task.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "../../ipc/sys.h"
#include "ledger.h"
#include "order.h"

#define EXIT_AGAIN 75

static volatile sig_atomic_t asked;
static int ledger;
static struct order order;

static void note_signal(int signo)
{
	(void)signo;
	asked = 1;
}

static void note(enum ledger_kind kind)
{
	const char *attempt = getenv("YARDMASTER_ATTEMPT"), *pool = getenv("YARDMASTER_POOL");

	ledger_note(ledger, (struct ledger_event){.job = order.number,
	                                          .kind = (uint16_t)kind,
	                                          .attempt = (uint16_t)(attempt ? atoi(attempt) : 0),
	                                          .worker = getppid(),
	                                          .value = pool ? (unsigned char)pool[0] : 0});
}

static bool read_file(const char *path)
{
	static char payload[ORDER_SIZE_MAX + 1];
	FILE *file = fopen(path, "re");
	size_t size = file ? fread(payload, 1, ORDER_SIZE_MAX, file) : 0;

	if (file)
		fclose(file);
	return order_read(payload, size, &order);
}

static bool go_on(unsigned ms, bool deaf)
{
	for (unsigned done = 0; done < ms; done += ORDER_STEP_MS) {
		if (!deaf && asked)
			return true;
		ym_nap(ORDER_STEP_MS * 1000000);
	}
	return false;
}

static int misbehave(void)
{
	switch (order.kind) {
	case ORDER_RETRY:
		note(LEDGER_RETRY);
		return EXIT_AGAIN;
	case ORDER_CRASH:
		note(LEDGER_CRASH);
		raise(SIGKILL);
		break;
	case ORDER_HANG:
		note(LEDGER_HANG);
		break;
	default:
		break;
	}
	if (go_on(ORDER_HANG_MS, order.kind == ORDER_HANG)) {
		note(LEDGER_BACK);
		return EXIT_AGAIN;
	}
	note(LEDGER_FORGOTTEN);
	return EXIT_AGAIN;
}

int task_main(const char *path, const char *file)
{
	static char result[ORDER_SIZE_MAX];
	const char *attempt = getenv("YARDMASTER_ATTEMPT");

	signal(SIGTERM, note_signal);
	ledger = ledger_open(path);
	if (!read_file(file)) {
		note(LEDGER_BROKEN);
		return 1;
	}
	note(LEDGER_START);
	if (order.kind != ORDER_GOOD && attempt && (unsigned)atoi(attempt) <= order.until)
		return misbehave();
	dprintf(3, "progress 1/2 in the middle\n");
	if (go_on(order.ms, false)) {
		note(LEDGER_BACK);
		return EXIT_AGAIN;
	}
	fwrite(result, 1, order_result(result, &order), stdout);
	fflush(stdout);
	note(LEDGER_END);
	return 0;
}
