/* accept.c - read `Accept`. */
#include "accept.h"

/* "0.75", with three digits behind the point at most. 0 as well: it is none. */
static unsigned thousandths(struct slice text)
{
	unsigned number = 0, worth = ACCEPT_MOST;

	if (text.length == 0 || text.length > 5 || (text.length > 1 && text.at[1] != '.'))
		return 0;
	for (size_t i = 0; i < text.length; i++) {
		if (i == 1)
			continue;
		if (text.at[i] < '0' || text.at[i] > '9')
			return 0;
		number += worth * (unsigned)(text.at[i] - '0');
		worth /= 10;
	}
	return number <= ACCEPT_MOST ? number : 0;
}

static unsigned range_quality(struct slice parameters, const char *version)
{
	unsigned quality = ACCEPT_MOST;

	while (parameters.length > 0) {
		struct slice value = slice_trim(slice_until(&parameters, ';')), name = slice_until(&value, '=');

		if (slice_is_word(name, "q"))
			quality = thousandths(value);
		else if (slice_is_word(name, "version") && !slice_is(value, version))
			return 0;
	}
	return quality;
}

unsigned accept_quality(struct slice accept, const char *media, const char *version)
{
	unsigned best = 0;

	while (accept.length > 0) {
		struct slice range = slice_until(&accept, ',');
		bool named = slice_is_word(slice_trim(slice_until(&range, ';')), media);
		unsigned quality = named ? range_quality(range, version) : 0;

		if (quality > best)
			best = quality;
	}
	return best;
}
