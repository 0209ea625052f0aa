/*
 * fuzz_envelope.c - any bytes as a message in an inbox.
 *
 * It is a request, whose parts are within their ranges, or it is refused with a reason; where memory fails it is not
 * refused, but put off. A payload is the message itself, or a piece of it, or JSON that says no more than a few times as
 * much. What is put into an envelope comes out again.
 */
#include "fuzz.h"

#include <jansson.h>

#include "../../ipc/serialize.h"
#include "../../runtime/envelope.h"
#include "../../runtime/reply.h"

/* Of the header: at most fourfold by references; of JSON: a byte may become six, and commas have blanks. */
#define GROWTH     (4 * 8)
#define GROWTH_ALL 65536

static void claim_in_range(const struct envelope *envelope, const uint8_t *data, size_t size)
{
	const struct job_request *request = &envelope->request;
	bool plain = request->payload.data == (const void *)data;

	CLAIM(request->level >= -1 && request->level <= 9, "%d", request->level);
	CLAIM(request->delay_ms >= 0 && request->at_ms >= 0 && request->timeout_ms >= -1, "%lld %lld %lld",
	      (long long)request->delay_ms, (long long)request->at_ms, (long long)request->timeout_ms);
	CLAIM(request->delay_ms == 0 || request->at_ms == 0, "both times");
	CLAIM(!request->unique || *request->unique, "an empty unique key");
	CLAIM(!request->tag || *request->tag, "an empty tag");
	CLAIM(request->reply.key ? request->reply.type > 0 : request->reply.type == 0, "reply to %d of type %lld",
	      (int)request->reply.key, (long long)request->reply.type);
	CLAIM(request->payload.fd == -1, "a file, which may not be");
	CLAIM(!plain || request->payload.size == size, "%zu of %zu bytes", request->payload.size, size);
	CLAIM(!plain || (!envelope->payload && !envelope->given), "plain, and an envelope");
	CLAIM(request->payload.size <= GROWTH * size + GROWTH_ALL, "%zu bytes of %zu", request->payload.size, size);
}

/* With any allocation failing it is put off or, where the JSON reader has its own, as it was; nothing is kept. */
static void claim_survives_no_memory(const uint8_t *data, size_t size, size_t allocations)
{
	struct ym_err err = {0};
	struct envelope envelope;
	int result;

	fuzz_memory_start(1 + data[size / 2] % allocations);
	result = envelope_parse(data, size, false, &envelope, &err);
	fuzz_memory_stop(NULL);
	CLAIM(result == -1, "accepted without memory");
	CLAIM_REFUSED(&err, err.class == YM_ERR_LIMIT);
}

/* As the string of an envelope, or serialized once more, any bytes are a payload as they are. */
static void claim_goes_in_an_envelope(const uint8_t *data, size_t size, bool wrapped)
{
	struct ym_value value, payload;
	struct envelope envelope;
	struct ym_buffer bytes;
	struct ym_err err = {0};

	ym_buffer_init(&bytes, NULL, 0);
	CLAIM(ym_value_string(&value, data, size, &err) == 0, "%s", err.text);
	if (wrapped) {
		payload = value;
		CLAIM(ym_value_array(&value, &err) == 0 &&
		          ym_array_set(value.array, ym_array_key_text("payload"), &payload, &err) == 0,
		      "%s", err.text);
	}
	CLAIM(ym_serialize(&value, &bytes, &err) == 0, "%s", err.text);
	CLAIM(envelope_parse(bytes.bytes, bytes.length, false, &envelope, &err) == 0, "%s", err.text);
	CLAIM(envelope.request.payload.size == size && memcmp(envelope.request.payload.data, data, size) == 0,
	      "%zu of %zu bytes", envelope.request.payload.size, size);
	envelope_free(&envelope);
	ym_value_free(&value);
	ym_buffer_free(&bytes);
}

/* Any bytes as a result: JSON can be read again. */
static void claim_answers(const uint8_t *data, size_t size)
{
	struct job_answer answer = {.id = size, .state = "done", .result = data, .result_size = size};
	struct ym_buffer bytes;
	struct ym_err err = {0};
	json_error_t why;
	json_t *json;

	ym_buffer_init(&bytes, NULL, 0);
	CLAIM(reply_build(&answer, REPLY_JSON, &bytes, &err) == 0, "%s", err.text);
	json = json_loadb(bytes.bytes, bytes.length, JSON_ALLOW_NUL, &why);
	CLAIM(json, "%s: %.*s", why.text, (int)bytes.length, bytes.bytes);
	CLAIM(json_object_get(json, "result") || json_object_get(json, "result_base64"), "no result");
	json_decref(json);
	ym_buffer_free(&bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ym_err err = {0};
	struct envelope envelope;
	size_t allocations;
	int result;

	fuzz_memory_start(0);
	result = envelope_parse(data, size, false, &envelope, &err);
	allocations = fuzz_memory_stop(NULL);
	if (result == 0) {
		claim_in_range(&envelope, data, size);
		envelope_free(&envelope);
	} else {
		CLAIM_REFUSED(&err, err.class == YM_ERR_USAGE);
	}
	if (allocations > 0)
		claim_survives_no_memory(data, size, allocations);
	claim_goes_in_an_envelope(data, size, size % 2);
	claim_answers(data, size);
	return 0;
}
