/* doctor.c - `yardmaster ipc doctor`: explain what is there, what is wrong with it, and what to do. */
#include <stdio.h>

#include "census.h"
#include "diagnose.h"
#include "findings.h"
#include "surroundings.h"

/* Objects by kind, in one line. */
static void print_summary(const struct census *census)
{
	static const char *const words[] = {
#define X(name, word, text) word,
	    YM_SURVEY_KIND_MAP(X)
#undef X
	};
	size_t counts[sizeof(words) / sizeof(words[0])] = {0};
	const char *comma = "";

	for (size_t i = 0; i < census->survey.nobjects; i++)
		counts[census->survey.objects[i].kind]++;
	printf("%zu objects", census->survey.nobjects);
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (!counts[i])
			continue;
		printf("%s %zu %s", *comma ? comma : ":", counts[i], words[i]);
		comma = ",";
	}
	printf("\n\n");
}

static void print_text(const struct census *census, const struct findings *findings,
                       const struct limit_use limits[LIMITS])
{
	print_summary(census);
	surroundings_print_limits(limits);
	if (findings->count)
		printf("\n");
	findings_print(findings, stdout);
	printf("\n%s\n",
	       findings_worst(findings) < SEVERITY_WARNING ? "Nothing is wrong." : "There is something to do.");
}

static void print_json(const struct census *census, const struct findings *findings,
                       const struct limit_use limits[LIMITS])
{
	struct json json = {.to = stdout};

	json_open(&json, NULL, '{');
	json_put_string(&json, "worst", severity_word(findings_worst(findings)));
	findings_json(findings, &json);
	surroundings_json_limits(limits, &json);
	json_open(&json, "groups", '[');
	for (size_t i = 0; i < census->survey.ngroups; i++)
		if (census_wants(census, &census->survey.groups[i]))
			census_json_group(&json, census, &census->survey.groups[i]);
	json_close(&json, ']');
	json_close(&json, '}');
	printf("\n");
}

static int doctor(const struct args *args)
{
	struct limit_use limits[LIMITS];
	struct findings findings = {0};
	struct census census;
	struct ym_err err;
	int code;

	if (census_take(&census, args, &err) < 0) {
		census_free(&census);
		return command_fail(&err);
	}
	diagnose_groups(&findings, &census);
	diagnose_objects(&findings, &census);
	surroundings_limits(&census.survey, "", limits);
	surroundings_diagnose(&findings, &census.survey, limits);
	if (args_flag(args, "json"))
		print_json(&census, &findings, limits);
	else
		print_text(&census, &findings, limits);
	code = findings_worst(&findings) >= SEVERITY_WARNING ? ym_err_exit_code(YM_ERR_NO) : 0;
	if (findings.full) {
		ym_fail(&err, YM_ERR_LIMIT, "out of memory: some findings are missing");
		code = command_fail(&err);
	}
	findings_free(&findings);
	census_free(&census);
	return code;
}

static const struct option_row options[] = {
    CENSUS_OPTIONS,
    {"json", 0, NULL, "findings with their codes, limits and groups as JSON"},
    {0},
};

const struct command command_ipc_doctor = {
    .verb = "doctor",
    .usage = "[OPTIONS]",
    .summary = "explain what is there, what is wrong with it, and what to do",
    .text =
	"Each finding is ok, a note, a warning or a problem. The exit code is 1 if there is a warning or a problem.\n"
	"With -c or -i only that instance is looked at, besides everything that belongs to no group.",
    .options = options,
    .run = doctor,
};
