/*
 * test_envelope.c - messages and what they ask for: every kind of message in PHP's form and as JSON, every key, everything
 * that is refused, and times.
 */
#include <fcntl.h>
#include <sys/resource.h>

#include "../../runtime/envelope.h"
#include "../../runtime/reply.h"
#include "../../runtime/when.h"
#include "support.h"

static struct envelope envelope;

/* Parse a message that is a text; with `files` allowed. */
static int parse(const char *message)
{
	return envelope_parse(message, strlen(message), true, &envelope, &err);
}

#define ASSERT_PAYLOAD(message, expected)                                                                              \
	do {                                                                                                           \
		ASSERT_OK(parse(message));                                                                             \
		assert_payload(expected, sizeof(expected) - 1);                                                        \
		envelope_free(&envelope);                                                                              \
	} while (0)

#define ASSERT_REFUSED(message, part)                                                                                  \
	do {                                                                                                           \
		ASSERT_ERR(parse(message), YM_ERR_USAGE);                                                              \
		ASSERT_IN(part, err.text);                                                                             \
	} while (0)

static void assert_payload(const char *expected, size_t size)
{
	ck_assert_uint_eq(envelope.request.payload.size, size);
	ck_assert_msg(memcmp(envelope.request.payload.data, expected, size) == 0, "\"%.*s\", not \"%s\"",
	              (int)envelope.request.payload.size, (const char *)envelope.request.payload.data, expected);
}

/* The same envelope in both forms. */
static void both_forms(const char *key, const char *php, const char *json, void (*check)(const char *form))
{
	char message[512];

	snprintf(message, sizeof(message), "a:2:{s:7:\"payload\";s:1:\"x\";s:%zu:\"%s\";%s}", strlen(key), key, php);
	ASSERT_OK(parse(message));
	check("php");
	envelope_free(&envelope);
	snprintf(message, sizeof(message), "{\"payload\": \"x\", \"%s\": %s}", key, json);
	ASSERT_OK(parse(message));
	check("json");
	envelope_free(&envelope);
}

static void refused_in_both_forms(const char *key, const char *php, const char *json, const char *part)
{
	char message[512];

	snprintf(message, sizeof(message), "a:2:{s:7:\"payload\";s:1:\"x\";s:%zu:\"%s\";%s}", strlen(key), key, php);
	ASSERT_REFUSED(message, part);
	snprintf(message, sizeof(message), "{\"payload\": \"x\", \"%s\": %s}", key, json);
	ASSERT_REFUSED(message, part);
}

/* ---- kinds of messages ----------------------------------------------------------------------- */

START_TEST(plain_bytes_are_the_payload)
{
	static const char *const plain[] = {
	    "",
	    "hello",
	    "i:5;\n",
	    " i:5;",
	    "i:5;i:6;",
	    "s:3:\"ab",
	    "i:5",
	    "{}",
	    "[1, 2]",
	    "{\"a\": 1}",
	    "{\"a\": 1",
	    "\"payload\"",
	    "{\"payload\": 1",
	    "{\"payload\": 1} x",
	    "{\"a\": {\"payload\": 1}}",
	    "N;N;",
	    "a:1:{i:0;R:9;}",
	    "5",
	    "[{\"payload\": 1}]",
	    "{\"payload\": 1e400}",
	};

	for (size_t i = 0; i < COUNT(plain); i++) {
		ASSERT_OK(parse(plain[i]));
		ck_assert_ptr_eq(envelope.request.payload.data, plain[i]);
		ck_assert_uint_eq(envelope.request.payload.size, strlen(plain[i]));
		ck_assert_int_eq(envelope.request.payload.fd, -1);
		ck_assert_int_eq(envelope.request.level, -1);
		ck_assert_int_eq(envelope.request.timeout_ms, -1);
		ck_assert_int_eq(envelope.request.reply.key, 0);
		ck_assert(!envelope.request.keep);
		envelope_free(&envelope);
	}
	ASSERT_OK(envelope_parse("\0\xff{", 3, true, &envelope, &err));
	assert_payload("\0\xff{", 3);
}
END_TEST

START_TEST(a_serialized_string_is_its_bytes)
{
	static const char binary[] = "s:4:\"\0\xff\";\";";

	ASSERT_PAYLOAD("s:5:\"hello\";", "hello");
	ASSERT_PAYLOAD("s:0:\"\";", "");
	/* Not looked into, whatever it looks like. */
	ASSERT_PAYLOAD("s:14:\"{\"payload\": 1}\";", "{\"payload\": 1}");
	ASSERT_PAYLOAD("s:4:\"i:5;\";", "i:5;");
	ASSERT_OK(envelope_parse(binary, sizeof(binary) - 1, true, &envelope, &err));
	assert_payload("\0\xff\";", 4);
	envelope_free(&envelope);
}
END_TEST

START_TEST(other_values_are_json)
{
	ASSERT_PAYLOAD("i:-5;", "-5");
	ASSERT_PAYLOAD("d:0.5;", "0.5");
	ASSERT_PAYLOAD("d:3;", "3.0");
	ASSERT_PAYLOAD("b:1;", "true");
	ASSERT_PAYLOAD("N;", "null");
	ASSERT_PAYLOAD("a:0:{}", "[]");
	ASSERT_PAYLOAD("a:2:{i:0;i:1;i:1;s:2:\"\xc3\xa4\";}", "[1, \"\xc3\xa4\"]");
	ASSERT_PAYLOAD("a:2:{i:1;i:1;i:0;i:2;}", "{\"1\": 1, \"0\": 2}");
	ASSERT_PAYLOAD("a:1:{s:1:\"a\";a:1:{i:0;N;}}", "{\"a\": [null]}");
	ASSERT_PAYLOAD("a:2:{i:0;a:1:{i:0;i:7;}i:1;R:2;}", "[[7], [7]]");
	/* Inside of something it is no envelope. */
	ASSERT_PAYLOAD("a:1:{i:0;a:1:{s:7:\"payload\";i:1;}}", "[{\"payload\": 1}]");
}
END_TEST

START_TEST(what_json_cannot_hold_is_refused)
{
	ASSERT_REFUSED("d:INF;", "INF or NAN");
	ASSERT_REFUSED("d:NAN;", "INF or NAN");
	ASSERT_REFUSED("a:1:{i:0;s:1:\"\xff\";}", "a string in it is not UTF-8");
	ASSERT_REFUSED("a:1:{s:1:\"\xff\";i:1;}", "a key in it is not UTF-8");
	ASSERT_REFUSED("O:8:\"stdClass\":0:{}", "object of class stdClass");
	ASSERT_REFUSED("a:1:{i:0;O:8:\"stdClass\":0:{}}", "object of class stdClass");
	ASSERT_REFUSED("a:1:{i:0;R:1;}", "contains itself");
	ASSERT_REFUSED("a:1:{s:7:\"payload\";a:1:{i:0;s:1:\"\xff\";}}", "payload: a string");
	/* As a string it needs no JSON. */
	ASSERT_PAYLOAD("a:1:{s:7:\"payload\";s:1:\"\xff\";}", "\xff");
}
END_TEST

static char *nested(size_t depth)
{
	char *message = calloc(1, depth * 11 + 3), *at = message;

	ck_assert_ptr_nonnull(message);
	for (size_t i = 0; i < depth; i++)
		at += sprintf(at, "a:1:{i:0;");
	at += sprintf(at, "N;");
	for (size_t i = 0; i < depth; i++)
		*at++ = '}';
	return message;
}

START_TEST(depth_is_bounded)
{
	char *good = nested(ENVELOPE_DEPTH), *bad = nested(ENVELOPE_DEPTH + 1);

	ASSERT_OK(parse(good));
	ck_assert_uint_eq(envelope.request.payload.size, 2 * ENVELOPE_DEPTH + 4);
	envelope_free(&envelope);
	ASSERT_REFUSED(bad, "deeper than 512");
	free(good);
	free(bad);
}
END_TEST

/* An array that doubles itself twelve times. */
START_TEST(references_do_not_multiply)
{
	char message[4096], *at = message;
	unsigned slot = 2;

	at += sprintf(at, "a:13:{i:0;a:2:{i:0;i:1;i:1;i:2;}");
	for (unsigned i = 1; i <= 12; i++) {
		at += sprintf(at, "i:%u;a:2:{i:0;R:%u;i:1;R:%u;}", i, slot, slot);
		slot = i == 1 ? 5 : slot + 1;
	}
	sprintf(at, "}");
	ASSERT_REFUSED(message, "more than 4 times");
}
END_TEST

/* ---- envelopes ------------------------------------------------------------------------------- */

START_TEST(json_payloads_stay_as_they_are)
{
	ASSERT_PAYLOAD("{\"payload\": \"a\\u0000b\"}", "a\0b");
	ASSERT_PAYLOAD("\n {\"payload\":{ \"x\" :[1e2,\"}\\\"\"], \"y\":12345678901234567890 } , \"tag\":\"t\"} ",
	               "{ \"x\" :[1e2,\"}\\\"\"], \"y\":12345678901234567890 }");
	ASSERT_PAYLOAD("{\"tag\": \"t\", \"payload\":0.10}", "0.10");
	ASSERT_PAYLOAD("{\"payload\":null}", "null");
	ASSERT_PAYLOAD("{\"payload\":[]}", "[]");
	ASSERT_PAYLOAD("{\"pay\\u006coad\": true }", "true");
	ASSERT_PAYLOAD("a:1:{s:7:\"payload\";a:1:{s:1:\"x\";d:0.1;}}", "{\"x\": 0.1}");
	ASSERT_PAYLOAD("a:1:{s:7:\"payload\";N;}", "null");
}
END_TEST

static void is_urgent(const char *form)
{
	ck_assert_msg(envelope.request.level == 0, "%s: %d", form, envelope.request.level);
}
static void is_idle(const char *form)
{
	ck_assert_msg(envelope.request.level == 9, "%s: %d", form, envelope.request.level);
}

START_TEST(priority)
{
	both_forms("priority", "i:0;", "0", is_urgent);
	both_forms("priority", "s:6:\"urgent\";", "\"urgent\"", is_urgent);
	both_forms("priority", "i:9;", "9", is_idle);
	both_forms("priority", "s:1:\"9\";", "\"9\"", is_idle);
	refused_in_both_forms("priority", "i:10;", "10", "not the int 10");
	refused_in_both_forms("priority", "i:-1;", "-1", "priority has to be 0");
	refused_in_both_forms("priority", "d:0;", "0.0", "not the float 0");
}
END_TEST

static void is_delayed(const char *form)
{
	ck_assert_msg(envelope.request.delay_ms == 90500, "%s: %lld", form, (long long)envelope.request.delay_ms);
}
static void is_not_delayed(const char *form)
{
	ck_assert_msg(envelope.request.delay_ms == 0, "%s: %lld", form, (long long)envelope.request.delay_ms);
}

START_TEST(delay)
{
	both_forms("delay", "d:90.5;", "90.5", is_delayed);
	both_forms("delay", "s:7:\"1m30.5s\";", "\"1m30.5s\"", is_delayed);
	both_forms("delay", "s:4:\"90.5\";", "\"90.5\"", is_delayed);
	both_forms("delay", "i:0;", "0", is_not_delayed);
	refused_in_both_forms("delay", "i:-1;", "-1", "not the int -1");
	refused_in_both_forms("delay", "i:9223372036854775807;", "9223372036854775807", "36500 days");
	refused_in_both_forms("delay", "s:6:\"36501d\";", "\"36501d\"", "36500 days");
	refused_in_both_forms("delay", "s:4:\"soon\";", "\"soon\"", "not the string soon");
	refused_in_both_forms("delay", "d:NAN;", "\"NAN\"", "delay has to be");
	refused_in_both_forms("delay", "b:1;", "true", "not the bool");
	refused_in_both_forms("delay", "a:0:{}", "[1]", "not the array");
}
END_TEST

static void is_at(const char *form)
{
	ck_assert_msg(envelope.request.at_ms == 1800000000500, "%s: %lld", form, (long long)envelope.request.at_ms);
}
static void is_at_once(const char *form)
{
	ck_assert_msg(envelope.request.at_ms == 1, "%s: %lld", form, (long long)envelope.request.at_ms);
}

START_TEST(at)
{
	both_forms("at", "d:1800000000.5;", "1800000000.5", is_at);
	both_forms("at", "s:22:\"2027-01-15T08:00:00.5Z\";", "\"2027-01-15T09:00:00.5+01:00\"", is_at);
	both_forms("at", "i:0;", "0", is_at_once);
	refused_in_both_forms("at", "i:-1;", "-1", "at has to be");
	refused_in_both_forms("at", "s:8:\"tomorrow\";", "\"tomorrow\"", "not the string tomorrow");
	refused_in_both_forms("at", "i:253402300800;", "253402300800", "at has to be");
	ASSERT_REFUSED("{\"payload\": 1, \"at\": 5, \"delay\": 5}", "delay and at are both there");
}
END_TEST

static void is_named(const char *form)
{
	ck_assert_msg(strcmp(envelope.request.unique, "k7") == 0, "%s: %s", form, envelope.request.unique);
}
static void is_numbered(const char *form)
{
	ck_assert_msg(strcmp(envelope.request.unique, "-42") == 0, "%s: %s", form, envelope.request.unique);
}
static void is_tagged(const char *form)
{
	ck_assert_msg(strcmp(envelope.request.tag, "4711") == 0, "%s: %s", form, envelope.request.tag);
}
static void is_not_tagged(const char *form)
{
	ck_assert_msg(!envelope.request.tag, "%s", form);
}

START_TEST(names)
{
	both_forms("unique", "s:2:\"k7\";", "\"k7\"", is_named);
	both_forms("unique", "i:-42;", "-42", is_numbered);
	both_forms("tag", "i:4711;", "4711", is_tagged);
	both_forms("tag", "s:0:\"\";", "\"\"", is_not_tagged);
	both_forms("tag", "N;", "null", is_not_tagged);
	refused_in_both_forms("unique", "s:0:\"\";", "\"\"", "unique has to be a text");
	refused_in_both_forms("unique", "d:1.5;", "1.5", "not the float 1.5");
	refused_in_both_forms("tag", "b:0;", "false", "not the bool");
	ASSERT_REFUSED("{\"payload\": 1, \"unique\": \"a\\u0000b\"}", "unique has to be");
}
END_TEST

static void is_limited(const char *form)
{
	ck_assert_msg(envelope.request.timeout_ms == 60000, "%s: %lld", form, (long long)envelope.request.timeout_ms);
}

START_TEST(timeout)
{
	both_forms("timeout", "i:60;", "60", is_limited);
	both_forms("timeout", "s:2:\"1m\";", "\"1m\"", is_limited);
	refused_in_both_forms("timeout", "i:-1;", "-1", "timeout has to be");
}
END_TEST

static void is_answered(const char *form)
{
	const struct job_reply *reply = &envelope.request.reply;

	ck_assert_int_eq(reply->key, 0x59000007);
	ck_assert_int_eq(reply->type, 1);
	ck_assert_int_eq(reply->form, strcmp(form, "php") == 0 ? REPLY_PHP : REPLY_JSON);
	ck_assert(envelope.request.keep);
}
static void is_answered_too(const char *form)
{
	(void)form;
	ck_assert_int_eq(envelope.request.reply.key, -2);
}

START_TEST(reply)
{
	char message[PATH_MAX + 64];

	both_forms("reply", "i:1493172231;", "1493172231", is_answered);
	both_forms("reply", "s:10:\"0x59000007\";", "\"0x59000007\"", is_answered);
	both_forms("reply", "i:4294967294;", "4294967294", is_answered_too);
	both_forms("reply", "i:-2;", "-2", is_answered_too);
	refused_in_both_forms("reply", "i:0;", "0", "reply has to be");
	refused_in_both_forms("reply", "i:4294967296;", "4294967296", "reply has to be");
	refused_in_both_forms("reply", "s:5:\"file:\";", "\"file:\"", "reply has to be");
	refused_in_both_forms("reply", "s:6:\"file:y\";", "\"file:y\"", "reply has to be");
	refused_in_both_forms("reply", "s:10:\"/nothing:y\";", "\"/nothing:y\"", "/nothing");
	refused_in_both_forms("reply_type", "i:5;", "5", "reply_type without reply");
	refused_in_both_forms("reply_type", "i:0;", "0", "reply_type has to be");
	refused_in_both_forms("reply_type", "s:1:\"5\";", "\"5\"", "reply_type has to be");
	for (int first = 0; first < 2; first++) {
		ASSERT_OK(
		    parse(first ? "{\"reply_type\": 9223372036854775807, \"payload\": 99999999999999999999, \"reply\": "
		                  "\"name:x\"}"
		                : "{\"reply\": \"name:x\", \"reply_type\": 9223372036854775807, \"payload\": 1}"));
		ck_assert_int_eq(envelope.request.reply.type, INT64_MAX);
		envelope_free(&envelope);
	}
	write_file("key", "", 0);
	snprintf(message, sizeof(message), "{\"payload\": 1, \"reply\": \"%s/key:r\"}", directory);
	ASSERT_OK(parse(message));
	ck_assert_int_ne(envelope.request.reply.key, 0);
	envelope_free(&envelope);
}
END_TEST

START_TEST(a_file_is_the_payload)
{
	char message[PATH_MAX + 64], bytes[6] = "";

	write_file("large", "contents", 8);
	snprintf(message, sizeof(message), "{\"payload\": null, \"file\": \"%s/large\"}", directory);
	ASSERT_OK(parse(message));
	ck_assert_ptr_null(envelope.request.payload.data);
	ck_assert_uint_eq(envelope.request.payload.size, PAYLOAD_TO_END);
	ck_assert_int_eq(pread(envelope.request.payload.fd, bytes, 5, 3), 5);
	ck_assert_str_eq(bytes, "tents");
	ck_assert(fcntl(envelope.request.payload.fd, F_GETFD) & FD_CLOEXEC);
	envelope_free(&envelope);
	ASSERT_ERR(envelope_parse(message, strlen(message), false, &envelope, &err), YM_ERR_USAGE);
	ASSERT_IN("takes no files", err.text);
	snprintf(message, sizeof(message), "{\"payload\": \"null\", \"file\": \"%s/large\"}", directory);
	ASSERT_REFUSED(message, "payload has to be null");
	snprintf(message, sizeof(message), "{\"payload\": null, \"file\": \"%s/none\"}", directory);
	ASSERT_REFUSED(message, "/none");
	snprintf(message, sizeof(message), "{\"payload\": null, \"file\": \"%s\"}", directory);
	ASSERT_REFUSED(message, "no regular file");
	refused_in_both_forms("file", "s:5:\"large\";", "\"large\"", "absolute path");
}
END_TEST

/* That is not the message's fault: another time it can be read. */
START_TEST(no_descriptors_left)
{
	int lowest = dup(STDIN_FILENO);
	char message[PATH_MAX + 64];
	struct rlimit limit, few;

	write_file("large", "contents", 8);
	snprintf(message, sizeof(message), "{\"payload\": null, \"file\": \"%s/large\"}", directory);
	close(lowest);
	getrlimit(RLIMIT_NOFILE, &limit);
	few = (struct rlimit){.rlim_cur = (rlim_t)lowest, .rlim_max = limit.rlim_max};
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &few), 0);
	ck_assert_int_eq(parse(message), -1);
	setrlimit(RLIMIT_NOFILE, &limit);
	ck_assert_int_eq(err.sys, EMFILE);
	ck_assert_int_ne(err.class, YM_ERR_USAGE);
	ASSERT_OK(parse(message));
	envelope_free(&envelope);
}
END_TEST

/* Whoever sends to a FIFO must not make the master wait. */
START_TEST(a_fifo_is_no_file)
{
	char message[PATH_MAX + 64], path[PATH_MAX];

	join_path(path, "fifo");
	ck_assert_int_eq(mkfifo(path, 0600), 0);
	snprintf(message, sizeof(message), "{\"payload\": null, \"file\": \"%s\"}", path);
	ASSERT_REFUSED(message, "no regular file");
}
END_TEST

START_TEST(unknown_keys_are_named)
{
	refused_in_both_forms("prority", "i:1;", "1", "no key \"prority\": did you mean \"priority\"?");
	refused_in_both_forms("colour", "i:1;", "1", "no key \"colour\"");
	ASSERT_REFUSED("a:2:{s:7:\"payload\";i:1;i:5;i:1;}", "no key \"5\"");
	ASSERT_REFUSED("{\"payload\": 1, \"a\\u001b[1m\": 2}", "no key \"a\\x1B[1m\"");
	ASSERT_REFUSED("{\"payload\": 1, \"\": 2}", "no key \"\"");
	ASSERT_REFUSED("{\"payload\": 1, \"tag\": \"a\", \"t\\u0061g\": \"b\"}", "tag is there twice");
	ASSERT_REFUSED("{\"payload\": 1, \"payload\": 2}", "payload is there twice");
	ASSERT_REFUSED("{\"payload\": 1, \"delay\": 99999999999999999999}", "delay has to be");
}
END_TEST

/* ---- times ----------------------------------------------------------------------------------- */

START_TEST(times)
{
	static const struct {
		const char *text;
		int64_t ms;
	} good[] = {
	    {"1970-01-01T00:00Z", 0},
	    {"2027-01-15T08:00:00Z", 1800000000000},
	    {"2027-01-15 08:00:00.123456Z", 1800000000123},
	    {"2027-01-15T09:00+01:00", 1800000000000},
	    {"2027-01-15T13:30+0530", 1800000000000},
	    {"2027-01-14T20:00-12", 1800000000000},
	    /* Local time: see below. */
	    {"2027-01-15T10:00:00", 1800000000000},
	    {"2027-01-15", 1799964000000},
	    {"2027-07-15T11:00", 1815638400000},
	    {"2028-02-29T00:00Z", 1835395200000},
	};
	static const char *const bad[] = {
	    "",
	    "2027",
	    "2027-1-15",
	    "2027-13-01",
	    "2027-02-29",
	    "2027-02-30T00:00Z",
	    "2027-01-15T",
	    "2027-01-15T24:00",
	    "2027-01-15T08:60",
	    "2027-01-15T08:00:",
	    "2027-01-15T08:00:00.",
	    "2027-01-15T08:00X",
	    "2027-01-15T08:00+1",
	    "2027-01-15T08:00+01:",
	    "2027-01-15T08:00Zx",
	    "1969-12-31",
	    "+2027-01-15",
	    "2027-01-15x",
	    /* An hour that is left out in spring. */
	    "2027-03-28T03:30",
	};
	int64_t ms;

	/* Two hours ahead of UTC, three in summer. */
	setenv("TZ", "EET-2EEST,M3.5.0/3,M10.5.0/4", 1);
	for (size_t i = 0; i < COUNT(good); i++) {
		ck_assert_msg(when_parse(good[i].text, &ms) == 0, "%s", good[i].text);
		ck_assert_msg(ms == good[i].ms, "%s: %lld", good[i].text, (long long)ms);
	}
	for (size_t i = 0; i < COUNT(bad); i++)
		ck_assert_msg(when_parse(bad[i], &ms) == -1, "%s", bad[i]);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("envelope");
	TCase *tcase = add_case(suite, "envelope");

	tcase_add_test(tcase, plain_bytes_are_the_payload);
	tcase_add_test(tcase, a_serialized_string_is_its_bytes);
	tcase_add_test(tcase, other_values_are_json);
	tcase_add_test(tcase, what_json_cannot_hold_is_refused);
	tcase_add_test(tcase, depth_is_bounded);
	tcase_add_test(tcase, references_do_not_multiply);
	tcase_add_test(tcase, json_payloads_stay_as_they_are);
	tcase_add_test(tcase, priority);
	tcase_add_test(tcase, delay);
	tcase_add_test(tcase, at);
	tcase_add_test(tcase, names);
	tcase_add_test(tcase, timeout);
	tcase_add_test(tcase, reply);
	tcase_add_test(tcase, a_file_is_the_payload);
	tcase_add_test(tcase, no_descriptors_left);
	tcase_add_test(tcase, a_fifo_is_no_file);
	tcase_add_test(tcase, unknown_keys_are_named);
	tcase_add_test(tcase, times);
	return run_suite(suite);
}
