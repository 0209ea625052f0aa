/* error.h - failures of PostgreSQL in words: what was done, what the server said, what to do about it. */
#ifndef YM_RUNTIME_POSTGRES_ERROR_H
#define YM_RUNTIME_POSTGRES_ERROR_H

#include "../store.h"
#include "link.h"

/* The connection is lost, or was never made. -1. */
int pg_error_link(struct pg_link *link, const char *what, struct ym_err *err);
/* A statement failed. -1. */
int pg_error_result(struct pg_link *link, const PGresult *result, struct ym_err *err);

#endif
