/* diagnose.h - what is wrong with groups and single objects. */
#ifndef YM_RUNTIME_COMMANDS_DIAGNOSE_H
#define YM_RUNTIME_COMMANDS_DIAGNOSE_H

#include "census.h"
#include "findings.h"

/* The groups that are asked for; their health first. */
void diagnose_groups(struct findings *findings, const struct census *census);

/* Objects outside of groups, and what can be wrong with any object. */
void diagnose_objects(struct findings *findings, const struct census *census);

/* Jobs of an instance that are not over; -1 if its table cannot be read. */
int64_t diagnose_unfinished(const struct ym_survey_group *group);

#endif
