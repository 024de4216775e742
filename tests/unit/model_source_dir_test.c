/* SPDX-License-Identifier: Apache-2.0 */
#include "model_case.h"

#include "base/buf.h"
#include "fs/fs.h"
#include "http/http.h"
#include "tests/fake/httpd.h"

/* --- over HTTP --- */

/* /ok/NAME: with ranges; /whole/NAME: without; /lies/NAME: a range that was not asked for;
 * /changes/NAME: of another size each time; /403/NAME. The files are those of the test's folder. */
struct web {
	const char *folder;
	char range[64];
	_Atomic unsigned requests, bytes;
};

static bool answer_range(struct web *w, struct httpd_conn *c, const char *kind,
			 const struct buf *file) {
	unsigned long long from = 0, to = file->len - 1;
	char head[128];

	(void) sscanf(w->range, "bytes=%llu-%llu", &from, &to);
	if (!strcmp(kind, "whole"))
		return httpd_reply(c, 200, "", file->data, file->len);
	to = to < file->len ? to : file->len - 1;
	w->bytes += (unsigned) (to - from + 1);
	(void) snprintf(head, sizeof head, "Content-Range: bytes %llu-%llu/%zu\r\n",
			from + !strcmp(kind, "lies"), to,
			file->len + (!strcmp(kind, "changes") ? w->requests : 0));
	return httpd_reply(c, 206, head, file->data + from, (size_t) (to - from + 1));
}

static bool serve(void *ctx, struct httpd_conn *c, const struct httpd_request *q) {
	struct web *w = ctx;
	char kind[16] = "", name[128] = "";
	struct buf file CLEANUP(buf_done) = BUF_INIT(64 << 20);
	struct err e = {0};

	(void) sscanf(q->path, "/%15[^/]/", kind);
	(void) sscanf(strrchr(q->path, '/') + 1, "%127[^?]", name);
	char *path CLEANUP(freep) = mem_printf("%s/%s", w->folder, name),
		   *range CLEANUP(freep) = httpd_header(q, "Range");

	(void) snprintf(w->range, sizeof w->range, "%s", range);
	w->requests++;
	if (!strcmp(kind, "403"))
		return httpd_reply(c, 403, "", "no", 2);
	if (fs_read_user(path, &file, &e))
		return httpd_reply(c, 404, "", "no", 2);
	return answer_range(w, c, kind, &file);
}

static int read_url(const struct httpd *s, const char *path, struct model_facts *m, struct err *e) {
	struct http *http CLEANUP(http_freep) = http_new();
	char *url CLEANUP(freep) = mem_printf("http://127.0.0.1:%u/%s", httpd_port(s), path);

	return model_read_source(http, url, m, e);
}

static void model_remote(void **state) {
	struct gguf_shape shape = gguf_family_find("llama")->shape;
	char *path CLEANUP(freep) = path_in(state, "big.gguf");
	struct web w = {.folder = *state};
	struct httpd *s CLEANUP(httpd_stopp) = httpd_start(NULL, serve, &w);
	struct model_facts here CLEANUP(model_facts_done) = {0},
				there CLEANUP(model_facts_done) = {0},
				parts CLEANUP(model_facts_done) = {0},
				shards CLEANUP(model_facts_done) = {0};
	struct err e = {0};

	shape.vocabulary = 20000; /* a header of about 800 kB before 17 MB of data */
	struct gguf_file *f CLEANUP(gguf_file_freep) = gguf_family_file(gguf_family_find("llama"),
									&shape);
	assert_int_equal(gguf_file_write(f, path, false), 0);
	here = facts_of(path);
	if (read_url(s, "ok/big.gguf?download=1", &there, &e))
		fail_msg("%s", e.msg);
	assert_int_equal(there.tensor_bytes, here.tensor_bytes);
	assert_int_equal(there.vocabulary, 20000);
	assert_int_equal(there.file_bytes, here.file_bytes);
	assert_true(w.requests <= 6 && w.bytes < 2 << 20);
	write_split(state, "moe", 3);
	if (read_url(s, "ok/s-00001-of-00003.gguf", &parts, &e))
		fail_msg("%s", e.msg);
	assert_int_equal(parts.files, 3);
	write_shards(state, INDEX("\"mtp.fc.weight\":\"b.safetensors\""));
	if (read_url(s, "ok/", &shards, &e))
		fail_msg("%s", e.msg);
	assert_int_equal(shards.tensors, 9);
	remove_file(state, "model.safetensors.index.json");
}

static const struct {
	const char *name, *path, *msg;
} refusals[] = {
	{"no ranges", "whole/big.gguf",
	 "'{}': the server does not send a part of it (no range requests); download it first"},
	{"another range", "lies/big.gguf", "'{}': the server sent another range than asked for"},
	{"another size", "changes/big.gguf", "'{}': it changed while it was read"},
	{"no access; the server says 'no'", "403/big.gguf",
	 "'{}': answered 403: no access; the server says 'no'"},
	{"not there", "ok/none.gguf", "'{}' does not exist"},
};

static void model_refusals(void **state) {
	struct web w = {.folder = *state};
	struct httpd *s CLEANUP(httpd_stopp) = httpd_start(NULL, serve, &w);

	EACH_CASE (c, refusals) {
		struct model_facts m CLEANUP(model_facts_done) = {0};
		char *url CLEANUP(freep) = mem_printf("http://127.0.0.1:%u/%s", httpd_port(s),
						      c->path),
			  *msg CLEANUP(freep) = with_folder(c->msg, url);
		struct err e = {0};

		w.requests = 0;
		assert_int_equal(read_url(s, c->path, &m, &e), -1);
		assert_string_equal(e.msg, msg);
		assert_int_equal(e.code, ERR_UNREACHABLE);
	}
}

/* hf:// is where $HF_ENDPOINT says; without a file it is the folder. A card may come whole, for it
 * is small. */
static void model_hub(void **state) {
	struct web w = {.folder = *state};
	struct httpd *s CLEANUP(httpd_stopp) = httpd_start(NULL, serve, &w);
	struct http *http CLEANUP(http_freep) = http_new();
	char *endpoint CLEANUP(freep) = mem_printf("http://127.0.0.1:%u", httpd_port(s));
	struct model_facts file CLEANUP(model_facts_done) = {0},
				folder CLEANUP(model_facts_done) = {0},
				none CLEANUP(model_facts_done) = {0};
	struct err e = {0};

	write_split(state, "moe", 1);
	write_shards(state, INDEX("\"mtp.fc.weight\":\"b.safetensors\""));
	assert_int_equal(setenv("HF_ENDPOINT", endpoint, 1), 0);
	if (model_read_source(http, "hf://ok/x@r/s-00001-of-00001.gguf", &file, &e) ||
	    model_read_source(http, "hf://ok/x@r", &folder, &e))
		fail_msg("%s", e.msg);
	assert_string_equal(file.format, "gguf");
	assert_int_equal(folder.tensors, 9);
	assert_int_equal(model_read_source(http, "hf://ok/x@r/none.gguf", &none, &e), -1);
	assert_string_equal(e.msg, "'hf://ok/x@r/none.gguf' does not exist");
	assert_int_equal(model_read_source(http, "hf://nothing", &none, &e), -1);
	assert_string_equal(e.msg,
			    "'hf://nothing': it is not of the form hf://ORG/REPO@REVISION/FILE");
	assert_int_equal(model_read_source(http, "http://192.0.2.1/x.gguf", &none, &e), -1);
	assert_string_equal(
		e.msg, "'http://192.0.2.1/x.gguf': http:// is for this host only, use https://");
	assert_int_equal(unsetenv("HF_ENDPOINT"), 0);
	remove_file(state, "model.safetensors.index.json");
}

/* --- cards --- */

/* Each card of the repository, as runtimes.md has the cache of one token: numbers of all full
 * layers, of windowed ones, of the state. */
static const struct {
	const char *name;
	uint64_t full, window, state, active_low, active_high;
} cards[] = {
	{"gemma-4-e2b", 3072, 6144, 0, 1600000000, 1800000000},
	{"gemma-4-e4b", 8192, 20480, 0, 3300000000, 3500000000},
	{"gemma-4-12b", 8192, 163840, 0, 7300000000, 7300000000},
	{"qwen3.6-35b-a3b", 10240, 0, 548864, 1800000000, 2000000000},
	{"smollm2-135m", 11520, 0, 0, 96576768, 96576768},
};

static void model_cards(void **state) {
	(void) state;
	EACH_CASE (c, cards) {
		struct model_facts m CLEANUP(model_facts_done) = {0};
		char *path CLEANUP(freep) = NULL;
		struct err e = {0};

		assert_true(model_card_find("./build/llmdeploy", c->name, &path));
		if (model_read_card(path, "", &m, &e))
			fail_msg("%s", e.msg);
		assert_int_equal(cached(&m, MODEL_ATTENTION), c->full);
		assert_int_equal(cached(&m, MODEL_WINDOW), c->window);
		assert_int_equal(m.state_numbers, c->state);
		assert_true(m.estimated);
		assert_in_range(model_active_bytes(&m), c->active_low, c->active_high);
	}
}

/* The demo's card says what the header of its file says. */
static void model_card_artifacts(void **state) {
	struct model_facts m CLEANUP(model_facts_done) = {0};
	struct err e = {0};

	(void) state;
	assert_int_equal(model_read_card("manifests/models/qwen3.6-35b-a3b.yaml", "Q8_0", &m, &e),
			 0);
	assert_string_equal(m.quantization, "Q8_0");
	assert_int_equal(m.tensor_bytes, 36826711040); /* 34660433920 x 8.5 / 8 */
	assert_int_equal(model_read_card("manifests/models/smollm2-135m.yaml", "Q9", &m, &e), -1);
	assert_string_equal(
		e.msg,
		"'manifests/models/smollm2-135m.yaml' has no artifact 'Q9'; there are: Q4_1, F16");
	char *path CLEANUP(freep) = NULL;

	assert_false(model_card_find("./build/llmdeploy", "no-such-card", &path));
	assert_false(model_card_find("./build/llmdeploy", "../README", &path));
}

#define CARD(layers, rest) CARD_OF("2", layers, rest)
#define CARD_OF(kv, layers, rest)                                                              \
	"apiVersion: llmdeploy/v1\nkind: ModelCard\nname: a\ntitle: A\narchitecture: "         \
	"llama\ncontext_length: 1\nembedding_length: 1\nvocabulary: 1\n"                       \
	"layers: {count: 2, heads: 2, kv_heads: " kv ", key_length: 1, value_length: 1" layers \
	"}\nparameters: {all: 10" rest "\nsources: [x]\n"
#define FILES "}\nartifacts: [{name: F16, bits_per_weight: 16}]"

static const struct {
	const char *name, *text, *msg;
} bad_cards[] = {
	{"another kind", "kind: ModelCards\n", "m:1:1: 'apiVersion' is missing"},
	{"an unknown key", CARD(", windows: 1", FILES),
	 "m:9:75: unknown key 'windows', did you mean 'window'?"},
	{"more KV heads than heads", CARD_OF("3", "", FILES),
	 "m:9:40: a layer has more KV heads than heads"},
	{"more shared than layers", CARD(", shared_kv: 3", FILES),
	 "m:9:86: more layers share a cache than there are"},
	{"parts larger than all", CARD("", ", experts: 11" FILES),
	 "m:10:13: the parts are more than all parameters"},
	{"more experts used than there are", CARD("", FILES "\nexperts: {count: 2, used: 3}"),
	 "m:12:27: a token uses more experts than there are"},
	{"no size", CARD("", "}\nartifacts: [{name: F16}]"),
	 "m:11:13: an artifact has either bytes or bits_per_weight"},
	{"two sizes", CARD("", "}\nartifacts: [{name: F16, bytes: 1GB, bits_per_weight: 16}]"),
	 "m:11:13: an artifact has either bytes or bits_per_weight"},
	{"windows and states",
	 CARD(", window: {tokens: 1, period: 2}, recurrent: {interval: 2, conv_kernel: 1, "
	      "inner_size: 1, state_size: 1}",
	      FILES),
	 "m:9:118: layers have windows or states; a card cannot say which of both"},
	{"no YAML", "[ModelCard",
	 "m:2:1: not YAML: expected ',' or ']' in the list (it begins in line 1)"},
};

static void model_bad_cards(void **state) {
	char *path CLEANUP(freep) = path_in(state, "m");

	EACH_CASE (c, bad_cards) {
		struct model_facts m CLEANUP(model_facts_done) = {0};
		struct err e = {0};

		write_text(state, "m", c->text);
		assert_int_equal(model_read_path(path, &m, &e), -1);
		char *shown CLEANUP(freep) = mem_strdup(
			strstr(e.msg, "/m:") ? strstr(e.msg, "/m:") + 1 : e.msg);
		assert_string_equal(shown, c->msg);
		assert_int_equal(e.code, ERR_SPEC);
	}
}

static void model_schema(void **state) {
	struct buf made CLEANUP(buf_done) = BUF_INIT(1 << 20),
			committed CLEANUP(buf_done) = BUF_INIT(1 << 20);
	struct err e = {0};

	(void) state;
	model_card_schema(&made);
	assert_int_equal(fs_read_user("manifests/model-card.schema.json", &committed, &e), 0);
	if (strcmp(buf_str(&made), buf_str(&committed)))
		fail_msg("not what the table says: llmdeploy schema model-card > "
			 "manifests/model-card.schema.json");
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(model_remote),
		cmocka_unit_test(model_refusals),
		cmocka_unit_test(model_hub),
		cmocka_unit_test(model_cards),
		cmocka_unit_test(model_card_artifacts),
		cmocka_unit_test(model_bad_cards),
		cmocka_unit_test(model_schema),
	};

	return cmocka_run_group_tests_name("model_place", tests, setup, teardown);
}
