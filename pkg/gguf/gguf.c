#include "gguf/gguf.h"

#include <assert.h>
#include <string.h>
#include <sys/stat.h>

#include "base/err.h"
#include "base/text.h"
#include "gguf/header.h"
#include "gguf/types.h"

#define MUL __builtin_mul_overflow

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

	if (read_version(&r, &f) || read_counts(&h) || header_metadata(&h) || read_tensors(&h) || derive(&h))
		return -1;
	*out = f;
	return 0;
}

bool gguf_is_adapter(const struct gguf_facts *f) {
	return !strcmp(f->type, "adapter");
}
