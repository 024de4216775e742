#include <string.h>

#include "base/text.h"
#include "gguf/header.h"

#define MUL __builtin_mul_overflow

enum { VALUE_U8, VALUE_I8, VALUE_U16, VALUE_I16, VALUE_U32, VALUE_I32, VALUE_F32, VALUE_BOOL, VALUE_STRING,
       VALUE_ARRAY, VALUE_U64, VALUE_I64, VALUE_F64, VALUE_TYPES };

static const unsigned char value_bytes[VALUE_TYPES] = {1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8};

static const char *const number_keys[N_NUMBERS] = {
	[N_LAYERS] = "block_count",
	[N_EMBEDDING] = "embedding_length",
	[N_CONTEXT] = "context_length",
	[N_VOCAB] = "vocab_size",
	[N_FFN] = "feed_forward_length",
	[N_HEADS] = "attention.head_count",
	[N_KV_HEADS] = "attention.head_count_kv",
	[N_KEY] = "attention.key_length",
	[N_VALUE] = "attention.value_length",
	[N_WINDOW] = "attention.sliding_window",
	[N_MLA] = "attention.kv_lora_rank",
	[N_SHARED] = "attention.shared_kv_layers",
	[N_CONV] = "ssm.conv_kernel",
	[N_INNER] = "ssm.inner_size",
	[N_STATE] = "ssm.state_size",
	[N_GROUP] = "ssm.group_count",
};

static bool key_is(const char *key, size_t n, const char *name) {
	return n == strlen(name) && !memcmp(key, name, n);
}

/* Which number the key "PREFIX.NAME" is, if any; N_NUMBERS otherwise. */
static enum number_id number_of(struct header *h, const char *key, size_t n) {
	const char *dot = memchr(key, '.', n);
	size_t prefix = dot ? (size_t) (dot - key) : n;

	for (enum number_id i = 0; dot && i < N_NUMBERS; i++) {
		if (!key_is(dot + 1, n - prefix - 1, number_keys[i]))
			continue;
		h->missed |= !h->f->architecture[0];
		return key_is(key, prefix, h->f->architecture) ? i : N_NUMBERS;
	}
	return N_NUMBERS;
}

static int read_number(struct header *h, uint32_t type, enum number_id id, uint64_t *out) {
	static const unsigned char is_signed[VALUE_TYPES] = {[VALUE_I8] = 1, [VALUE_I16] = 1, [VALUE_I32] = 1, [VALUE_I64] = 1};
	size_t n = value_bytes[type];
	uint64_t v = reader_uint(h->r, n);

	if (type == VALUE_F32 || type == VALUE_F64 || type == VALUE_BOOL)
		return reader_bad(h->r, "says '%s' with a value that is not a whole number", number_keys[id]);
	if (is_signed[type] && v >> (8 * n - 1))
		return reader_bad(h->r, "says '%s' with a negative value", number_keys[id]);
	/* So that no sum over the layers can wrap; far above any model. */
	if (v > (uint64_t) 1 << 40)
		return reader_bad(h->r, "says '%s' with a value out of all proportion", number_keys[id]);
	*out = v;
	return 0;
}

static int note_number(struct header *h, uint32_t type, enum number_id id, uint64_t count, bool array) {
	struct number *number = &h->numbers[id];

	if (number->set)
		return reader_bad(h->r, "says '%s' twice", number_keys[id]);
	if (count > GGUF_MAX_LAYERS)
		return reader_bad(h->r, "says '%s' for %llu layers, the limit is %d", number_keys[id], (unsigned long long) count,
				  GGUF_MAX_LAYERS);
	*number = (struct number){.set = true, .array = array, .count = count};
	for (uint64_t i = 0; i < count && !h->r->failed; i++) {
		uint64_t v = 0;

		if (read_number(h, type, id, &v))
			return -1;
		number->sum += v;
		number->max = v > number->max ? v : number->max;
	}
	return h->r->failed ? -1 : 0;
}

/* The string that the reader is at, cut to fit; not UTF-8 leaves it empty. */
static void note_text(struct header *h, char *out, size_t size) {
	uint64_t len = reader_u64(h->r);
	size_t n = len < size - 1 ? (size_t) len : size - 1;
	const unsigned char *s = reader_take(h->r, n);

	if (!s)
		return;
	memcpy(out, s, n);
	out[n] = 0;
	if (!text_is_utf8(out, n) || strlen(out) != n)
		out[0] = 0;
	reader_skip(h->r, len - n);
}

static int note_string(struct header *h, const char *key, size_t n) {
	const struct {
		const char *key;
		char *out;
		size_t size;
	} texts[] = {
		{"general.architecture", h->f->architecture, sizeof h->f->architecture},
		{"general.type", h->f->type, sizeof h->f->type},
		{"general.name", h->f->name, sizeof h->f->name},
		{"adapter.type", h->f->adapter_type, sizeof h->f->adapter_type},
	};

	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
		if (key_is(key, n, texts[i].key)) {
			note_text(h, texts[i].out, texts[i].size);
			return h->r->failed ? -1 : 0;
		}
	reader_skip(h->r, reader_u64(h->r));
	return h->r->failed ? -1 : 0;
}

static int skip_array(struct header *h, uint32_t type, uint64_t count) {
	uint64_t bytes;

	if (type == VALUE_STRING)
		for (; count && !h->r->failed; count--)
			reader_skip(h->r, reader_u64(h->r));
	else if (MUL(count, (uint64_t) value_bytes[type], &bytes))
		return reader_bad(h->r, "has an array of %llu values", (unsigned long long) count);
	else
		reader_skip(h->r, bytes);
	return h->r->failed ? -1 : 0;
}

static int read_array(struct header *h, enum number_id id, bool tokens) {
	uint32_t type = reader_u32(h->r);
	uint64_t count = reader_u64(h->r);

	if (h->r->failed)
		return -1;
	if (type >= VALUE_TYPES || type == VALUE_ARRAY)
		return reader_bad(h->r, "has an array of values of the unknown type %u", type);
	if (tokens)
		h->tokens = count;
	if (id != N_NUMBERS && type != VALUE_STRING)
		return note_number(h, type, id, count, true);
	return skip_array(h, type, count);
}

static int read_alignment(struct header *h) {
	uint64_t v = reader_u32(h->r);

	if (h->r->failed)
		return -1;
	if (!v || v & (v - 1) || v > 1 << 20)
		return reader_bad(h->r, "has the alignment %llu, which is no power of two up to 1048576", (unsigned long long) v);
	h->alignment = v;
	return 0;
}

static int read_pair(struct header *h) {
	char key[128]; /* longer ones are none of ours */
	size_t n;
	const char *s = reader_string(h->r, 65535, "metadata key", &n);

	if (!s)
		return -1;
	if (!n || !text_is_utf8(s, n))
		return reader_bad(h->r, "has a metadata key that is %s", n ? "not UTF-8" : "empty");
	n = n < sizeof key ? n : 0;
	memcpy(key, s, n);
	uint32_t type = reader_u32(h->r);

	if (h->r->failed)
		return -1;
	if (type >= VALUE_TYPES)
		return reader_bad(h->r, "has a metadata value of the unknown type %u", type);
	if (type == VALUE_STRING)
		return note_string(h, key, n);
	if (type == VALUE_U32 && key_is(key, n, "general.alignment"))
		return read_alignment(h);
	if (type == VALUE_U16 && key_is(key, n, "split.count"))
		return h->f->split_count = reader_uint(h->r, 2), h->r->failed ? -1 : 0;
	enum number_id id = number_of(h, key, n);

	if (type == VALUE_ARRAY)
		return read_array(h, id, key_is(key, n, "tokenizer.ggml.tokens"));
	if (id != N_NUMBERS)
		return note_number(h, type, id, 1, false);
	reader_skip(h->r, value_bytes[type]);
	return h->r->failed ? -1 : 0;
}

/* Once, or twice where the architecture's name comes after its numbers. */
int header_metadata(struct header *h) {
	uint64_t from = h->r->at;

	for (int pass = 0; pass < 2; pass++) {
		h->r->at = from;
		h->missed = false;
		memset(h->numbers, 0, sizeof h->numbers);
		for (uint64_t i = 0; i < h->pairs; i++)
			if (read_pair(h))
				return -1;
		if (!h->missed)
			break;
	}
	if (!h->f->architecture[0])
		return reader_bad(h->r, "does not say 'general.architecture'");
	return 0;
}
