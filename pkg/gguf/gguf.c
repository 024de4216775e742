#include "gguf/gguf.h"

#include <assert.h>
#include <string.h>
#include <sys/stat.h>

#include "base/err.h"
#include "base/text.h"
#include "gguf/reader.h"
#include "gguf/types.h"

#define MUL __builtin_mul_overflow
#define ADD __builtin_add_overflow

enum { VALUE_U8, VALUE_I8, VALUE_U16, VALUE_I16, VALUE_U32, VALUE_I32, VALUE_F32, VALUE_BOOL, VALUE_STRING,
       VALUE_ARRAY, VALUE_U64, VALUE_I64, VALUE_F64, VALUE_TYPES };

static const unsigned char value_bytes[VALUE_TYPES] = {1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8};

/* Numbers that the architecture declares under its own name: "llama.block_count". A number is one
 * value, or one a layer; the sum and the largest are all that sizing asks for. */
enum number_id { N_LAYERS, N_EMBEDDING, N_CONTEXT, N_VOCAB, N_FFN, N_HEADS, N_KV_HEADS, N_KEY, N_VALUE, N_WINDOW,
		 N_MLA, N_SHARED, N_CONV, N_INNER, N_STATE, N_GROUP, N_NUMBERS };

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

struct number {
	bool set, array;
	uint64_t count, sum, max;
};

struct header {
	struct reader *r;
	struct gguf_facts *f;
	uint64_t pairs, alignment, tokens;
	struct number numbers[N_NUMBERS];
	bool missed; /* an architecture's number stood before general.architecture */
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
static int read_metadata(struct header *h) {
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

static void count_type(struct gguf_facts *f, const char *name, uint64_t bytes) {
	size_t i = 0;

	while (i < f->n_types && f->types[i].name != name)
		i++;
	assert(i < GGUF_MAX_TYPES);
	if (i == f->n_types)
		f->types[f->n_types++] = (struct gguf_type_sum){.name = name};
	f->types[i].tensors++;
	f->types[i].bytes += bytes;
}

/* Bytes of a tensor from its dimensions and type. */
static int tensor_size(struct reader *r, const char *name, const uint64_t dims[4], const struct tensor_type *t,
		       uint64_t *bytes) {
	uint64_t n;

	if (dims[0] % t->block)
		return reader_bad(r, "has a tensor '%s' whose rows of %llu are no multiple of %u, the block of %s", name,
				  (unsigned long long) dims[0], t->block, t->name);
	n = dims[0] / t->block;
	if (MUL(n, (uint64_t) t->bytes, &n) || MUL(n, dims[1], &n) || MUL(n, dims[2], &n) || MUL(n, dims[3], &n) ||
	    n > INT64_MAX)
		return reader_bad(r, "has a tensor '%s' larger than any file", name);
	*bytes = n;
	return 0;
}

static int read_tensor_head(struct reader *r, char *name, uint64_t dims[4]) {
	size_t n;
	const char *s = reader_string(r, 255, "tensor name", &n);

	if (!s)
		return -1;
	if (!n || !text_is_utf8(s, n) || memchr(s, 0, n))
		return reader_bad(r, "has a tensor name that is empty or not UTF-8");
	memcpy(name, s, n);
	name[n] = 0;
	uint32_t n_dims = reader_u32(r);

	if (n_dims > 4)
		return reader_bad(r, "has a tensor '%s' of %u dimensions, the limit is 4", name, n_dims);
	for (uint32_t i = 0; i < 4; i++)
		dims[i] = i < n_dims ? reader_u64(r) : 1;
	return r->failed ? -1 : 0;
}

/* *end: where the data of the tensors so far ends, from the start of all data. */
static int read_tensor(struct header *h, uint64_t *end) {
	char name[256];
	uint64_t dims[4], bytes = 0, begin;

	if (read_tensor_head(h->r, name, dims))
		return -1;
	uint32_t id = reader_u32(h->r);
	uint64_t offset = reader_u64(h->r);
	const struct tensor_type *t = tensor_type_find(id);

	if (h->r->failed)
		return -1;
	if (!t)
		return reader_bad(h->r, "has a tensor '%s' of the unknown type %u", name, id);
	if (tensor_size(h->r, name, dims, t, &bytes))
		return -1;
	begin = (*end + h->alignment - 1) / h->alignment * h->alignment;
	if (offset != begin)
		return reader_bad(h->r, "has a tensor '%s' at offset %llu, where %llu was expected", name,
				  (unsigned long long) offset, (unsigned long long) begin);
	/* Two numbers below 2^63; the sum is held below 2^62 for those to come. */
	if (bytes + begin > (uint64_t) 1 << 62)
		return reader_bad(h->r, "has tensors larger than any file");
	*end = begin + bytes;
	h->f->tensor_bytes += bytes;
	count_type(h->f, t->name, bytes);
	return 0;
}

static int read_tensors(struct header *h) {
	uint64_t end = 0;

	for (uint64_t i = 0; i < h->f->tensors; i++)
		if (read_tensor(h, &end))
			return -1;
	h->f->data_offset = (h->r->at + h->alignment - 1) / h->alignment * h->alignment;
	if (h->f->tensors && h->f->data_offset + end > h->r->size)
		return reader_bad(h->r, "is cut off: tensor data ends at byte %llu, the file has %llu",
				  (unsigned long long) (h->f->data_offset + end), (unsigned long long) h->r->size);
	return 0;
}

/* The value of a number of which a model has one; a list gives its largest. */
static uint64_t one(const struct header *h, enum number_id id) {
	return h->numbers[id].max;
}

static int derive(struct header *h) {
	struct gguf_facts *f = h->f;
	const struct number *kv = &h->numbers[h->numbers[N_KV_HEADS].set ? N_KV_HEADS : N_HEADS];

	f->layers = one(h, N_LAYERS);
	if (f->layers > GGUF_MAX_LAYERS)
		return reader_bad(h->r, "says 'block_count' with %llu layers, the limit is %d", (unsigned long long) f->layers,
				  GGUF_MAX_LAYERS);
	if (kv->array && kv->count < f->layers)
		return reader_bad(h->r, "says the KV heads of %llu layers and has %llu", (unsigned long long) kv->count,
				  (unsigned long long) f->layers);
	f->embedding_length = one(h, N_EMBEDDING);
	f->context_length = one(h, N_CONTEXT);
	f->vocabulary = h->tokens ? h->tokens : one(h, N_VOCAB);
	f->feed_forward_length = one(h, N_FFN);
	f->heads_max = one(h, N_HEADS);
	f->kv_heads_max = kv->max;
	f->kv_heads_sum = kv->array ? kv->sum : kv->max * f->layers;
	uint64_t head = f->heads_max ? f->embedding_length / f->heads_max : 0;

	f->key_length = h->numbers[N_KEY].set ? one(h, N_KEY) : head;
	f->value_length = h->numbers[N_VALUE].set ? one(h, N_VALUE) : head;
	f->sliding_window = one(h, N_WINDOW);
	f->kv_lora_rank = one(h, N_MLA);
	f->shared_kv_layers = one(h, N_SHARED);
	f->conv_kernel = one(h, N_CONV);
	f->inner_size = one(h, N_INNER);
	f->state_size = one(h, N_STATE);
	f->group_count = one(h, N_GROUP);
	if (!f->type[0])
		(void) strcpy(f->type, "model");
	return 0;
}

static int read_version(struct reader *r, struct gguf_facts *f) {
	const unsigned char *magic = r->size >= 8 ? reader_take(r, 4) : NULL;

	if (r->failed)
		return -1;
	if (!magic || memcmp(magic, "GGUF", 4) != 0)
		return err_set(r->e, ERR_SPEC, "'%s' is not a GGUF file", r->name);
	f->version = reader_u32(r);
	if (r->failed)
		return -1;
	if (f->version && !(f->version & 0xffff))
		return err_set(r->e, ERR_SPEC, "'%s' is a GGUF file for big-endian machines", r->name);
	if (f->version != 2 && f->version != 3)
		return err_set(r->e, ERR_SPEC, "'%s' has GGUF version %u; the engine reads 2 and 3", r->name, f->version);
	return 0;
}

static int read_counts(struct header *h) {
	h->f->tensors = reader_u64(h->r);
	h->pairs = reader_u64(h->r);
	if (h->r->failed)
		return -1;
	/* The shortest tensor entry has 25 bytes, the shortest pair 14. */
	if (h->f->tensors > h->r->size / 25 || h->pairs > h->r->size / 14)
		return reader_bad(h->r, "promises %llu tensors and %llu metadata values, more than %llu bytes can hold",
				  (unsigned long long) h->f->tensors, (unsigned long long) h->pairs,
				  (unsigned long long) h->r->size);
	return 0;
}

int gguf_read(int fd, const char *name, struct gguf_facts *out, struct err *e) {
	struct stat st;
	struct gguf_facts f = {0};

	if (fstat(fd, &st))
		return err_sys(e, "cannot read '%s'", name);
	if (!S_ISREG(st.st_mode))
		return err_set(e, ERR_SPEC, "'%s' is not a regular file", name);
	f.file_bytes = (uint64_t) st.st_size;
	struct reader r = {.fd = fd, .name = name, .size = f.file_bytes, .e = e};
	struct header h = {.r = &r, .f = &f, .alignment = 32};

	if (read_version(&r, &f) || read_counts(&h) || read_metadata(&h) || read_tensors(&h) || derive(&h))
		return -1;
	*out = f;
	return 0;
}

bool gguf_is_adapter(const struct gguf_facts *f) {
	return !strcmp(f->type, "adapter");
}
