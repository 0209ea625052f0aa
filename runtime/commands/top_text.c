/* top_text.c - numbers in few columns. */
#include "top_text.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

/* Three digits and a letter. */
static const char *scaled(double number, double step, const char *letters, char out[TEXT_MAX])
{
	size_t i = 0;

	for (number /= step; number >= 999.5 && letters[i + 1]; i++)
		number /= step;
	snprintf(out, TEXT_MAX, "%.*f%c", number < 9.995 ? 2 : number < 99.95 ? 1 : 0, number, letters[i]);
	return out;
}

const char *top_count(double count, char out[TEXT_MAX])
{
	if (count >= 99999.5)
		return scaled(count, 1000, "kMGT", out);
	snprintf(out, TEXT_MAX, "%.0f", count);
	return out;
}

const char *top_rate(double rate, bool bytes, char out[TEXT_MAX])
{
	if (bytes)
		return top_bytes(rate, out);
	if (rate >= 9.95)
		return top_count(rate, out);
	snprintf(out, TEXT_MAX, rate < 0.005 ? "-" : rate < 0.95 ? "%.2f" : "%.1f", rate);
	return out;
}

const char *top_span(uint64_t ns, char out[TEXT_MAX])
{
	static const struct {
		double ns;
		const char *name;
	} units[] = {{1, "ns"}, {1e3, "us"}, {1e6, "ms"}, {1e9, "s"}};
	size_t unit = 0;

	if (ns >= 59500000000u)
		return top_age(ns, out);
	while (unit < 3 && (double)ns >= 999.5 * units[unit].ns)
		unit++;
	if (ns == 0)
		snprintf(out, TEXT_MAX, "-");
	else
		snprintf(out, TEXT_MAX, "%.*f%s", unit > 0 && (double)ns < 9.95 * units[unit].ns ? 1 : 0,
		         (double)ns / units[unit].ns, units[unit].name);
	return out;
}

const char *top_age(uint64_t ns, char out[TEXT_MAX])
{
	if (ns >= 60000000000u)
		return text_duration(ns, out);
	snprintf(out, TEXT_MAX, "%us", (unsigned)(ns / 1000000000u));
	return out;
}

const char *top_bytes(double bytes, char out[TEXT_MAX])
{
	if (bytes >= 999.5)
		return scaled(bytes, 1024, "KMGTP", out);
	snprintf(out, TEXT_MAX, bytes < 0.5 ? "-" : "%.0fB", bytes);
	return out;
}

const char *top_amount(uint64_t done, uint64_t total, const char *unit, char out[TEXT_MAX])
{
	bool bytes = strcmp(unit, "bytes") == 0;
	char amount[TEXT_MAX];

	if (total)
		text_fraction(done, total, bytes, amount);
	else if (done)
		text_amount((double)done, bytes, amount);
	else
		amount[0] = '\0';
	snprintf(out, TEXT_MAX, "%s%s%.*s", amount, !amount[0] || bytes || !unit[0] ? "" : " ",
	         !amount[0] || bytes ? 0 : 12, unit);
	return out;
}

const char *top_clock(int64_t unix_ms, char out[TEXT_MAX])
{
	time_t second = (time_t)(unix_ms / 1000);
	struct tm tm;

	if (!localtime_r(&second, &tm) || strftime(out, TEXT_MAX, "%H:%M:%S", &tm) == 0)
		snprintf(out, TEXT_MAX, "-");
	return out;
}
