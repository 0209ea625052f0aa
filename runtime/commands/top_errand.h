/*
 * top_errand.h - a command of `yardmaster`, done in a process of its own: what is typed into `top` does the same as on the
 * command line, says the same when it fails, and however long it takes, the screen goes on.
 */
#ifndef YM_RUNTIME_COMMANDS_TOP_ERRAND_H
#define YM_RUNTIME_COMMANDS_TOP_ERRAND_H

#include <stddef.h>
#include <sys/types.h>

#include "command.h"

#define ERRAND_WORDS    3
#define ERRAND_WORD_MAX 48
#define ERRAND_TOLD_MAX 512
#define ERRAND_TEXT_MAX ((size_t)1 << 20)

/* The verb and its arguments; the instance is that of `top`. */
struct errand_order {
	char words[ERRAND_WORDS][ERRAND_WORD_MAX]; /* an empty one ends them */
};

struct errand {
	pid_t pid; /* 0: none is on its way */
	int fd;    /* what it prints, on stdout and stderr */
	int code;  /* exit code, when it is over; 128 and more: a signal */
	char *text;
	size_t length, room;
};

/* None is on its way. -1: it cannot be started. */
int errand_start(struct errand *errand, const struct args *args, const struct errand_order *order, struct ym_err *err);
/* Hear what it has to say, without waiting. True: it is over, once. */
bool errand_hear(struct errand *errand);
/* In one line, without "yardmaster: ". */
const char *errand_told(const struct errand *errand, char out[ERRAND_TOLD_MAX]);
/* One that only reads is ended; another goes on, and nobody hears of it. */
void errand_end(struct errand *errand);
void errand_leave(struct errand *errand);

#endif
