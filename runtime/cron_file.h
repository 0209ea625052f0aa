/*
 * cron_file.h - the file "cron" of the instance directory: up to when each [cron:NAME] section has been seen to.
 *
 *   yardmaster cron 1
 *   NAME <tab> SECONDS SINCE 1970 [JOB STORE] <tab> TIME ZONE, or - <tab> SCHEDULE
 *   ...
 *   end NUMBER OF SECTIONS
 *
 * It is replaced as a whole (rename), so a killed master leaves the old or the new one. It need not survive a crash of
 * the machine.
 */
#ifndef YM_RUNTIME_CRON_FILE_H
#define YM_RUNTIME_CRON_FILE_H

#include <stddef.h>
#include <stdint.h>

#include "../config/config.h"

struct cron_mark {
	char name[CFG_NAME_MAX];
	int64_t last; /* all times up to this one have been seen to */
	/* The last job, if it is one of a store: its id, and which store (table.h); 0: not known. */
	uint64_t job, store;
	char *zone; /* NULL: that of the master */
	char *schedule;
};

struct cron_marks {
	struct cron_mark *items;
	size_t n;
};

/* Without a file: none. -1: it cannot be read, or is not as above; then there are none, either. */
int cron_file_read(const char *directory, struct cron_marks *marks, struct ym_err *err);
int cron_file_write(const char *directory, const struct cron_marks *marks, struct ym_err *err);
void cron_marks_free(struct cron_marks *marks);

#endif
