/*
 * requests.h - what people ask the master for through the control socket: one table of verbs.
 */
#ifndef YM_RUNTIME_REQUESTS_H
#define YM_RUNTIME_REQUESTS_H

#include "master.h"

int requests_open(struct master *master, struct ym_err *err);

#endif
