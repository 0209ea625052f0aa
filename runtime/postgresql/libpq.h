/*
 * libpq.h - the client library of PostgreSQL, loaded only when a store wants it: workers, and masters without such a store,
 * carry none of it.
 */
#ifndef YM_RUNTIME_LIBPQ_H
#define YM_RUNTIME_LIBPQ_H

#include <postgresql/libpq-fe.h>

#include "../../ipc/error.h"

/* The functions that are used: all of libpq of PostgreSQL 14 or later, the first that can send statements in rows. */
#define LIBPQ_MAP(X)                                                                                                   \
	X(PQclear)                                                                                                     \
	X(PQcmdTuples)                                                                                                 \
	X(PQconnectionNeedsPassword)                                                                                   \
	X(PQconninfoFree)                                                                                              \
	X(PQconninfoParse)                                                                                             \
	X(PQconnectPoll)                                                                                               \
	X(PQconnectStartParams)                                                                                        \
	X(PQconsumeInput)                                                                                              \
	X(PQenterPipelineMode)                                                                                         \
	X(PQerrorMessage)                                                                                              \
	X(PQexitPipelineMode)                                                                                          \
	X(PQfinish)                                                                                                    \
	X(PQflush)                                                                                                     \
	X(PQfreemem)                                                                                                   \
	X(PQgetResult)                                                                                                 \
	X(PQgetisnull)                                                                                                 \
	X(PQgetlength)                                                                                                 \
	X(PQgetvalue)                                                                                                  \
	X(PQisBusy)                                                                                                    \
	X(PQnotifies)                                                                                                  \
	X(PQntuples)                                                                                                   \
	X(PQparameterStatus)                                                                                           \
	X(PQpipelineSync)                                                                                              \
	X(PQresultErrorField)                                                                                          \
	X(PQresultStatus)                                                                                              \
	X(PQsendPrepare)                                                                                               \
	X(PQsendQuery)                                                                                                 \
	X(PQsendQueryParams)                                                                                           \
	X(PQsendQueryPrepared)                                                                                         \
	X(PQserverVersion)                                                                                             \
	X(PQsetErrorVerbosity)                                                                                         \
	X(PQsetNoticeReceiver)                                                                                         \
	X(PQsetnonblocking)                                                                                            \
	X(PQsocket)                                                                                                    \
	X(PQstatus)

struct libpq {
#define X(name) __typeof__(name) *name;
	LIBPQ_MAP(X)
#undef X
};

/* Filled by libpq_load(). */
extern struct libpq libpq;

/* Load it, once; it stays. From any thread. */
int libpq_load(struct ym_err *err);

#endif
