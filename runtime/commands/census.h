/* census.h - what the commands of `yardmaster ipc` look at: all groups of this IPC namespace, or one instance. */
#ifndef YM_RUNTIME_COMMANDS_CENSUS_H
#define YM_RUNTIME_COMMANDS_CENSUS_H

#include "../../ipc/survey.h"
#include "../json.h"
#include "command.h"

extern const struct command command_ipc_doctor, command_ipc_gc;

/* Instances have their directories here by default; key files in them tell which sets are a group's. */
#define CENSUS_DIRECTORIES_MAX 256

#define CENSUS_OPTIONS                                                                                                 \
	{"config", 'c', "FILE", "only the instance of this INI file"},                                                 \
	{                                                                                                              \
		"instance", 'i', "NAME", "only the instance of this name"                                              \
	}

struct census {
	struct ym_survey survey;
	bool one; /* only `instance` is asked for */
	struct instance instance;
	key_t key; /* of the instance; 0: it has no key file, so it does not run */
	char base[YM_DIRECTORY_MAX];
	char *directories[CENSUS_DIRECTORIES_MAX];
	size_t ndirectories;
};

/* Look, with the options above. To be freed, also after an error. */
int census_take(struct census *census, const struct args *args, struct ym_err *err);
void census_free(struct census *census);

/* Is it asked for? */
bool census_wants(const struct census *census, const struct ym_survey_group *group);

/* Is it an instance of Yardmaster: does it have a job table? */
bool census_is_instance(const struct ym_survey_group *group);

/* How people call it: by the last part of its directory. */
const char *census_name(const struct census *census, const struct ym_survey_group *group);

/* "pid 12 (php, stopped)" */
#define CENSUS_PROCESS_MAX 64
const char *census_process(pid_t pid, char out[CENSUS_PROCESS_MAX]);

/* One group with its parts and participants, as an object of an array; one object of the kernel, too. */
void census_json_group(struct json *json, const struct census *census, const struct ym_survey_group *group);
void census_json_object(struct json *json, const struct ym_survey_object *object);

#endif
