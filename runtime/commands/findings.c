/* findings.c - collect findings and print them. */
#include "findings.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

static const struct {
	const char *code;
	enum severity severity;
	const char *why, *advice;
} kinds[] = {
#define X(name, code, severity, why, advice) [FINDING_##name] = {code, SEVERITY_##severity, why, advice},
    FINDING_MAP(X)
#undef X
};

static const char *const severities[] = {
#define X(name, word) [SEVERITY_##name] = word,
    SEVERITY_MAP(X)
#undef X
};

const char *severity_word(enum severity severity)
{
	return severities[severity];
}

void findings_add(struct findings *findings, enum finding_code code, const char *command, const char *what, ...)
{
	struct finding *more = reallocarray(findings->list, findings->count + 1, sizeof(*more));
	va_list ap;

	if (!more) {
		findings->full = true;
		return;
	}
	findings->list = more;
	more += findings->count++;
	*more = (struct finding){.code = code};
	snprintf(more->command, sizeof(more->command), "%s", command ? command : "");
	va_start(ap, what);
	vsnprintf(more->what, sizeof(more->what), what, ap);
	va_end(ap);
}

void findings_free(struct findings *findings)
{
	free(findings->list);
	*findings = (struct findings){0};
}

enum severity findings_worst(const struct findings *findings)
{
	enum severity worst = SEVERITY_OK;

	for (size_t i = 0; i < findings->count; i++)
		if (kinds[findings->list[i].code].severity > worst)
			worst = kinds[findings->list[i].code].severity;
	return worst;
}

static void print_one(const struct finding *finding, FILE *to)
{
	fprintf(to, "%-8s %s: %s\n", severities[kinds[finding->code].severity], kinds[finding->code].code,
	        finding->what);
	if (kinds[finding->code].why[0])
		fprintf(to, "         why: %s\n", kinds[finding->code].why);
	if (kinds[finding->code].advice[0])
		fprintf(to, "         do:  %s%s%s\n", kinds[finding->code].advice, finding->command[0] ? ": " : "",
		        finding->command);
}

void findings_print(const struct findings *findings, FILE *to)
{
	for (size_t severity = 0; severity < sizeof(severities) / sizeof(severities[0]); severity++)
		for (size_t i = 0; i < findings->count; i++)
			if (kinds[findings->list[i].code].severity == severity)
				print_one(&findings->list[i], to);
}

void findings_json(const struct findings *findings, struct json *json)
{
	json_open(json, "findings", '[');
	for (size_t i = 0; i < findings->count; i++) {
		const struct finding *finding = &findings->list[i];

		json_open(json, NULL, '{');
		json_put_string(json, "code", kinds[finding->code].code);
		json_put_string(json, "severity", severities[kinds[finding->code].severity]);
		json_put_string(json, "what", finding->what);
		json_put_string(json, "why", kinds[finding->code].why);
		json_put_string(json, "advice", kinds[finding->code].advice);
		json_put_string(json, "command", finding->command);
		json_close(json, '}');
	}
	json_close(json, ']');
}
