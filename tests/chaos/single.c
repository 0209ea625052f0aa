/* single.c - lock, note, print. */
#include "single.h"

#include <stdio.h>
#include <sys/file.h>

#include "../../ipc/sys.h"
#include "ledger.h"

#define PRINT_NS 3000000

int single_main(const char *ledger, const char *lock)
{
	int to = ledger_open(ledger), fd = open(lock, O_CREAT | O_RDWR | O_CLOEXEC, 0600);
	bool alone = fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0;

	ledger_note(to, (struct ledger_event){.kind = alone ? LEDGER_SINGLE : LEDGER_DOUBLED, .worker = getpid()});
	for (unsigned long n = 1;; n++) {
		printf("line %lu\n", n);
		fflush(stdout);
		ym_nap(PRINT_NS);
	}
}
