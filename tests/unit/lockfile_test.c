/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "crypto/crypto.h"
#include "fs/fs.h"
#include "lockfile/lockfile.h"
#include "lockfile/plan_file.h"
#include "json/json.h"

#define A64 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define B64 "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
#define C64 "cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc"

/* A whole lock in canonical form: what llmdeploy would write, but for its length. */
#define ARTIFACTS                                                                   \
	"[{\"path\":\"/models/model.gguf\",\"role\":\"model\",\"sha256\":\"" A64    \
	"\",\"size\":100,"                                                          \
	"\"sources\":[\"hf://o/r@1/m.gguf\"]},"                                     \
	"{\"path\":\"/models/"                                                      \
	"adapter-1.gguf\",\"role\":\"adapter\",\"scale\":\"0.5\",\"sha256\":\"" B64 \
	"\",\"size\":7,\"sources\":[]}]"
#define BUDGET                                                                                  \
	"{\"adapters_bytes\":7,\"admission\":\"enforce\",\"compute_bytes\":3,\"kv_bytes\":2,"   \
	"\"limit_bytes\":200,"                                                                  \
	"\"output_bytes\":1,\"overhead_bytes\":4,\"planned_bytes\":117,\"reserve_percent\":20," \
	"\"weights_bytes\":100}"
#define CONTAINER                                                                                  \
	"{\"argv\":[\"/usr/bin/llama-server\",\"--model\",\"/models/model.gguf\"],\"devices\":[]," \
	"\"env\":[\"LC_ALL=C.UTF-8\"],\"gpu\":\"\",\"memory_bytes\":1048576,\"network\":\"none\"," \
	"\"pids\":64,"                                                                             \
	"\"read_only\":true,\"socket\":\"/run/engine/engine.sock\",\"stop_signal\":\"SIGTERM\","   \
	"\"stop_timeout_ms\":30000,\"tmpfs\":{\"/tmp\":\"size=64m\"}}"
#define IMAGE                                                                          \
	"{\"config\":\"" A64 "\",\"layers\":[{\"diff_id\":\"" B64                      \
	"\",\"name\":\"base\",\"size\":512}],\"manifest\":\"" C64                      \
	"\",\"packages\":[{\"architecture\":\"amd64\",\"name\":\"x\",\"path\":\"pool/" \
	"x.deb\",\"sha256\":\"" A64 "\",\"size\":9,\"suite\":\"testing\",\"version\":\"1\"}]}"
#define TAIL                                                                                       \
	"\"kind\":\"Release\",\"logs\":{},\"probes\":{},\"requirements\":{},\"rollout\":{\"drain_" \
	"ms\":1,\"gates\":{\"error_rate_percent\":5},\"keep\":5,"                                  \
	"\"previous\":\"auto\",\"strategy\":\"blue-green\",\"watch_ms\":2},\"route\":\"r\","       \
	"\"runtime\":"                                                                             \
	"{\"architecture\":\"amd64\",\"backend\":\"cpu\",\"name\":\"llama.cpp\",\"packages_"       \
	"lock\":\"" C64                                                                            \
	"\",\"version\":\"1:0.7\"},\"tool\":\"llmdeploy 0.1.0\",\"version\":\"v1\"}\n"
#define EVAL "{\"golden\":{\"cases\":[],\"name\":\"g\"},\"latency_p95_ms\":1500}"
#define GOOD                                                                                     \
	"{\"apiVersion\":\"llmdeploy/v1\",\"artifacts\":" ARTIFACTS ",\"budget\":" BUDGET        \
	",\"container\":" CONTAINER ",\"eval\":" EVAL                                            \
	",\"gateway\":{},\"health\":{\"stall_timeout_ms\":60000,\"startup_timeout_ms\":600000}," \
	"\"image\":" IMAGE "," TAIL

#define CANARY(weight)                                                                             \
	"\"canary\":{\"gates\":{\"against_active\":{\"error_rate_percent\":2,\"p95_percent\":200," \
	"\"ttft_percent\":150},"                                                                   \
	"\"error_rate_percent\":5,\"ttft_ms\":700},\"steps\":[{\"duration_ms\":1000,\"min_"        \
	"requests\":20,"                                                                           \
	"\"weight_percent\":" #weight "}]}"

/* GOOD with the first `from` replaced by `to`; every row leaves a text that is still JSON unless it
 * says otherwise. */
static const struct {
	const char *name, *from, *to;
	enum err_code code;
	const char *message;
} faults[] = {
	{"not JSON", "{\"apiVersion\"", "{apiVersion\"", ERR_SPEC, "x.json: not JSON at byte 1"},
	{"missing field", "\"kind\":\"Release\",", "", ERR_SPEC, "x.json: kind is missing"},
	{"missing field inside", "\"config\":\"" A64 "\",", "", ERR_SPEC,
	 "x.json: image.config is missing"},
	{"missing field in a list", "\"name\":\"base\",", "", ERR_SPEC,
	 "x.json: image.layers.0.name is missing"},
	{"unknown field", "\"gateway\":{}", "\"gatewax\":{},\"gateway\":{}", ERR_SPEC,
	 "x.json: unknown field 'gatewax'"},
	{"unknown field inside", "\"keep\":5", "\"keep\":5,\"keeps\":5", ERR_SPEC,
	 "x.json: unknown field 'rollout.keeps'"},
	{"unknown field in a list", "\"role\":\"adapter\"", "\"rank\":1,\"role\":\"adapter\"",
	 ERR_SPEC, "x.json: unknown field 'artifacts.1.rank'"},
	{"text wanted", "\"tool\":\"llmdeploy 0.1.0\"", "\"tool\":1", ERR_SPEC,
	 "x.json: tool must be a text"},
	{"name wanted", "\"route\":\"r\"", "\"route\":\"R\"", ERR_SPEC,
	 "x.json: route must be a name ([a-z0-9][a-z0-9._-]*)"},
	{"number wanted", "\"pids\":64", "\"pids\":\"64\"", ERR_SPEC,
	 "x.json: container.pids must be a whole number"},
	{"negative number", "\"pids\":64", "\"pids\":-1", ERR_SPEC,
	 "x.json: container.pids must be a whole number"},
	{"fraction", "\"pids\":64", "\"pids\":0.5", ERR_SPEC,
	 "x.json: container.pids must be a whole number"},
	{"truth wanted", "\"read_only\":true", "\"read_only\":\"yes\"", ERR_SPEC,
	 "x.json: container.read_only must be true or false"},
	{"list wanted", "\"devices\":[]", "\"devices\":{}", ERR_SPEC,
	 "x.json: container.devices must be a list of texts"},
	{"list of texts wanted", "\"devices\":[]", "\"devices\":[1]", ERR_SPEC,
	 "x.json: container.devices must be a list of texts"},
	{"object wanted", "\"image\":" IMAGE, "\"image\":[]", ERR_SPEC,
	 "x.json: image must be an object"},
	{"tree wanted", "\"probes\":{}", "\"probes\":[]", ERR_SPEC,
	 "x.json: probes must be an object"},
	{"list of objects wanted", "\"artifacts\":" ARTIFACTS, "\"artifacts\":{}", ERR_SPEC,
	 "x.json: artifacts must be a list of objects"},
	{"entry that is no object", "\"artifacts\":" ARTIFACTS, "\"artifacts\":[1]", ERR_SPEC,
	 "x.json: artifacts.0 must be an object"},
	{"short digest", "\"config\":\"a", "\"config\":\"", ERR_SPEC,
	 "x.json: image.config must be 64 lower-case hex digits"},
	{"capital in a digest", "\"manifest\":\"c", "\"manifest\":\"C", ERR_SPEC,
	 "x.json: image.manifest must be 64 lower-case hex digits"},
	{"digest in a list", "\"diff_id\":\"b", "\"diff_id\":\"z", ERR_SPEC,
	 "x.json: image.layers.0.diff_id must be 64 lower-case hex digits"},
	{"another kind", "\"kind\":\"Release\"", "\"kind\":\"Evidence\"", ERR_SPEC,
	 "x.json: 'Evidence' of 'llmdeploy/v1' is not a release of 'llmdeploy/v1'"},
	{"another version", "\"llmdeploy/v1\"", "\"llmdeploy/v2\"", ERR_SPEC,
	 "x.json: 'Release' of 'llmdeploy/v2' is not a release of 'llmdeploy/v1'"},
	{"no artifacts", "\"artifacts\":" ARTIFACTS, "\"artifacts\":[]", ERR_SPEC,
	 "x.json: artifacts.0 must be the model"},
	{"model is not first", "\"role\":\"model\"", "\"role\":\"adapter\"", ERR_SPEC,
	 "x.json: artifacts.0 must be the model"},
	{"no argv", "[\"/usr/bin/llama-server\",\"--model\",\"/models/model.gguf\"]", "[]",
	 ERR_SPEC, "x.json: container.argv and image.layers must not be empty"},
	{"no layers", "[{\"diff_id\":\"" B64 "\",\"name\":\"base\",\"size\":512}]", "[]", ERR_SPEC,
	 "x.json: container.argv and image.layers must not be empty"},
	{"golden set and skip", "\"latency_p95_ms\":1500",
	 "\"latency_p95_ms\":1500,\"skip\":\"no time\"", ERR_SPEC,
	 "x.json: eval has both a golden set and a reason to skip it"},
	{"unknown strategy", "\"blue-green\"", "\"big-bang\"", ERR_SPEC,
	 "x.json: rollout.strategy 'big-bang' is not known"},
	{"canary without steps", "\"blue-green\"", "\"canary\"", ERR_SPEC,
	 "x.json: rollout.canary must be there with its steps when rollout.strategy is canary, and "
	 "only then"},
	{"steps without canary", "\"drain_ms\":1", CANARY(5) ",\"drain_ms\":1", ERR_SPEC,
	 "x.json: rollout.canary must be there with its steps when rollout.strategy is canary, and "
	 "only then"},
	{"everybody is no canary",
	 "\"drain_ms\":1,\"gates\":{\"error_rate_percent\":5},\"keep\":5,\"previous\":\"auto\","
	 "\"strategy\":\"blue-green\"",
	 CANARY(100) ",\"drain_ms\":1,\"gates\":{\"error_rate_percent\":5},\"keep\":5,\"previous\":"
		     "\"auto\",\"strategy\":\"canary\"",
	 ERR_SPEC, "x.json: rollout.canary.steps: a weight of 100 % is not between 1 and 99"},
	{"gates missing", "\"gates\":{\"error_rate_percent\":5},", "", ERR_SPEC,
	 "x.json: rollout.gates is missing"},
	{"path outside", "/models/model.gguf\",\"role\"", "/etc/passwd\",\"role\"", ERR_SPEC,
	 "x.json: artifact path '/etc/passwd' is not beneath /models"},
	{"path that climbs", "/models/adapter-1.gguf\",\"role\"",
	 "/models/../etc/passwd\",\"role\"", ERR_SPEC,
	 "x.json: artifact path '/models/../etc/passwd' is not beneath /models"},
	{"edited: a blank", "\"keep\":5", "\"keep\": 5", ERR_INTEGRITY,
	 "x.json: not the canonical form that llmdeploy writes: it was edited; build it again"},
	{"edited: order", "\"drain_ms\":1,\"gates\":{\"error_rate_percent\":5}",
	 "\"gates\":{\"error_rate_percent\":5},\"drain_ms\":1", ERR_INTEGRITY,
	 "x.json: not the canonical form that llmdeploy writes: it was edited; build it again"},
	{"edited: an escape", "\"route\":\"r\"", "\"route\":\"\\u0072\"", ERR_INTEGRITY,
	 "x.json: not the canonical form that llmdeploy writes: it was edited; build it again"},
	{"edited: no newline", "\"version\":\"v1\"}\n", "\"version\":\"v1\"}", ERR_INTEGRITY,
	 "x.json: not the canonical form that llmdeploy writes: it was edited; build it again"},
	{"fraction in a tree", "\"probes\":{}", "\"probes\":{\"x\":0.5}", ERR_SPEC,
	 "x.json: canonical JSON takes whole numbers only, got 0.5"},
	{"key twice", "\"keep\":5", "\"keep\":5,\"keep\":5", ERR_SPEC,
	 "x.json: JSON with the key 'keep' twice"},
};

/* Cut short anywhere, it is refused. */
static void lockfile_cut(void **state) {
	(void) state;
	for (size_t n = 0; n + 1 < sizeof GOOD; n++) {
		struct lockfile *l = NULL;
		struct err e = {0};
		assert_int_equal(lockfile_parse("x.json", GOOD, n, &l, &e), -1);
		assert_null(l);
		assert_int_equal(e.code, n + 2 == sizeof GOOD ? ERR_INTEGRITY : ERR_SPEC);
	}
}

static void lockfile_faults(void **state) {
	(void) state;
	EACH_CASE (c, faults) {
		struct buf text CLEANUP(buf_done) = BUF_INIT(1 << 16);
		struct lockfile *l = NULL;
		struct err e = {0};
		const char *at = strstr(GOOD, c->from);
		assert_non_null(at);
		(void) buf_add(&text, GOOD, (size_t) (at - GOOD));
		(void) buf_printf(&text, "%s%s", c->to, at + strlen(c->from));
		assert_int_equal(lockfile_parse("x.json", buf_str(&text), text.len, &l, &e), -1);
		assert_string_equal(e.msg, c->message);
		assert_int_equal(e.code, c->code);
		assert_null(l);
	}
}

static void lockfile_good(void **state) {
	struct lockfile *l CLEANUP(lockfile_freep) = NULL;
	struct err e = {0};
	char digest[SHA256_HEX];

	(void) state;
	if (lockfile_parse("x.json", GOOD, sizeof GOOD - 1, &l, &e))
		fail_msg("%s", e.msg);
	sha256_of(GOOD, sizeof GOOD - 1, digest);
	assert_string_equal(l->digest, digest);
	assert_int_equal(strlen(l->id), 12);
	assert_memory_equal(l->id, digest, 12);
	assert_int_equal(l->n_bytes, sizeof GOOD - 1);
	assert_string_equal(l->bytes, GOOD);
	assert_string_equal(l->route, "r");
	assert_string_equal(l->version, "v1");
	assert_string_equal(l->runtime, "llama.cpp");
	assert_string_equal(l->image_manifest, C64);
	assert_int_equal(l->n_layers, 1);
	assert_string_equal(l->layers[0].diff_id, B64);
	assert_int_equal(l->n_artifacts, 2);
	assert_ptr_equal(lockfile_model(l), &l->artifacts[0]);
	assert_null(l->artifacts[0].scale);
	assert_int_equal(l->artifacts[0].n_sources, 1);
	assert_string_equal(l->artifacts[0].sources[0], "hf://o/r@1/m.gguf");
	assert_string_equal(l->artifacts[1].scale, "0.5");
	assert_int_equal(l->artifacts[1].n_sources, 0);
	assert_int_equal(l->n_argv, 3);
	assert_string_equal(l->env[0], "LC_ALL=C.UTF-8");
	assert_true(l->read_only);
	assert_int_equal(l->memory_bytes, 1048576);
	assert_int_equal(l->stop_timeout_ms, 30000);
	assert_non_null(l->golden);
	assert_null(l->eval_skip);
	assert_int_equal(l->latency_p95_ms, 1500);
	assert_int_equal(l->keep, 5);
	assert_int_equal(l->n_steps, 0);
	assert_int_equal(l->gates.error_rate_percent, 5);
	assert_int_equal(l->canary_gates.error_rate_percent, -1);
	assert_string_equal(l->admission, "enforce");
	assert_int_equal(l->reserve_percent, 20);
}

/* From a tree whose keys are in any order come the same bytes, and these parse again. */
static void lockfile_round_trip(void **state) {
	struct lockfile *l CLEANUP(lockfile_freep) = NULL, *again CLEANUP(lockfile_freep) = NULL;
	struct json *tree CLEANUP(json_freep) = NULL;
	struct err e = {0};

	(void) state;
	assert_int_equal(json_parse(GOOD, sizeof GOOD - 1, &tree, &e), 0);
	struct json *moved = json_copy(json_get(tree, "apiVersion"));
	json_remove(tree, "apiVersion");
	json_set(tree, "apiVersion", moved);
	assert_int_equal(lockfile_from_tree(tree, &l, &e), 0);
	assert_string_equal(l->bytes, GOOD);
	json_set_str(tree, "route", "another"); /* the lock has its own copy */
	assert_string_equal(l->route, "r");
	assert_int_equal(lockfile_parse("x.json", l->bytes, l->n_bytes, &again, &e), 0);
	assert_string_equal(again->digest, l->digest);
	json_set_str(tree, "route", "Not a name");
	assert_int_equal(lockfile_from_tree(tree, &again, &e), -1);
	assert_string_equal(e.msg, "route must be a name ([a-z0-9][a-z0-9._-]*)");
	lockfile_free(NULL);
}

static void lockfile_skip(void **state) {
	static const char from[] = ",\"eval\":" EVAL, to[] = ",\"eval\":{\"skip\":\"no time\"}";
	struct buf text CLEANUP(buf_done) = BUF_INIT(1 << 16);
	struct lockfile *l CLEANUP(lockfile_freep) = NULL;
	const char *at = strstr(GOOD, from);
	struct err e = {0};

	(void) state;
	assert_non_null(at);
	(void) buf_add(&text, GOOD, (size_t) (at - GOOD));
	(void) buf_printf(&text, "%s%s", to, at + strlen(from));
	assert_int_equal(lockfile_parse("x.json", buf_str(&text), text.len, &l, &e), 0);
	assert_null(l->golden);
	assert_string_equal(l->eval_skip, "no time");
	assert_int_equal(l->latency_p95_ms, 0);
}

static void lockfile_canary(void **state) {
	static const char from[] = "\"drain_ms\":1,\"gates\":{\"error_rate_percent\":5},\"keep\":5,"
				   "\"previous\":\"auto\",\"strategy\":\"blue-green\"";
	static const char to[] = CANARY(
		30) ",\"drain_ms\":1,\"gates\":{\"error_rate_percent\":5,\"p95_ms\":9000},\"keep\":"
		    "5,\"previous\":\"auto\",\"strategy\":\"canary\"";
	struct buf text CLEANUP(buf_done) = BUF_INIT(1 << 16);
	struct lockfile *l CLEANUP(lockfile_freep) = NULL;
	const char *at = strstr(GOOD, from);
	struct err e = {0};

	(void) state;
	assert_non_null(at);
	(void) buf_add(&text, GOOD, (size_t) (at - GOOD));
	(void) buf_printf(&text, "%s%s", to, at + strlen(from));
	if (lockfile_parse("x.json", buf_str(&text), text.len, &l, &e))
		fail_msg("%s", e.msg);
	assert_int_equal(l->n_steps, 1);
	assert_int_equal(l->steps[0].weight_percent, 30);
	assert_int_equal(l->steps[0].duration_ms, 1000);
	assert_int_equal(l->steps[0].min_requests, 20);
	assert_int_equal(l->gates.p95_ms, 9000);
	assert_int_equal(l->gates.ttft_ms, -1);
	assert_int_equal(l->gates.p95_percent, -1);
	assert_int_equal(l->canary_gates.error_rate_percent, 5);
	assert_int_equal(l->canary_gates.p95_ms, -1);
	assert_int_equal(l->canary_gates.ttft_ms, 700);
	assert_int_equal(l->canary_gates.more_errors_percent, 2);
	assert_int_equal(l->canary_gates.p95_percent, 200);
	assert_int_equal(l->canary_gates.ttft_percent, 150);
}

static void lockfile_schema_committed(void **state) {
	struct buf made CLEANUP(buf_done) = BUF_INIT(1 << 20),
			committed CLEANUP(buf_done) = BUF_INIT(1 << 20);
	struct err e = {0};

	(void) state;
	lockfile_schema(&made);
	if (getenv("UPDATE_GOLDEN"))
		assert_int_equal(fs_write(EFFECT_NONE, AT_FDCWD, "manifests/lock.schema.json",
					  made.data, made.len, 0644, &e),
				 0);
	assert_int_equal(fs_read_user("manifests/lock.schema.json", &committed, &e), 0);
	if (strcmp(buf_str(&made), buf_str(&committed)) != 0)
		fail_msg("not what the table says: llmdeploy schema lock > "
			 "manifests/lock.schema.json");
}

/* ---- what plan --out writes ---- */

static const struct {
	const char *name, *from, *to;
	enum err_code code;
	const char *message;
} plan_files[] = {
	{"as it was", "", "", ERR_OK, ""},
	{"another version expected", "\"active\":\"v0\"", "\"active\":\"V 0\"", ERR_INTEGRITY,
	 "p.json: not a plan as llmdeploy writes it: it was edited or cut; plan again"},
	{"no digest expected", "\"lock\":\"" B64 "\"", "\"lock\":\"\"", ERR_INTEGRITY,
	 "p.json: not a plan as llmdeploy writes it: it was edited or cut; plan again"},
	{"another release", "\"keep\":5", "\"keep\":6", ERR_INTEGRITY,
	 "p.json: not a plan as llmdeploy writes it: it was edited or cut; plan again"},
	{"a release that is none", "\"keep\":5", "\"keeps\":5", ERR_SPEC,
	 "p.json: rollout.keep is missing"},
	{"one more key", "\"kind\":\"Plan\"", "\"by\":1,\"kind\":\"Plan\"", ERR_INTEGRITY,
	 "p.json: not a plan as llmdeploy writes it: it was edited or cut; plan again"},
	{"another layout", "\"kind\":\"Plan\"", "\"kind\": \"Plan\"", ERR_INTEGRITY,
	 "p.json: not a plan as llmdeploy writes it: it was edited or cut; plan again"},
};

static void plan_file(void **state) {
	struct plan_file_expected x = {.active = "v0", .active_lockfile = B64};
	struct buf text CLEANUP(buf_done) = BUF_INIT(1 << 16);
	struct lockfile *l CLEANUP(lockfile_freep) = NULL;
	struct err e = {0};

	(void) state;
	assert_int_equal(lockfile_parse("x.json", GOOD, strlen(GOOD), &l, &e), 0);
	assert_int_equal(plan_file_write(l, &x, &text, &e), 0);
	EACH_CASE (k, plan_files) {
		const char *at = strstr(buf_str(&text), k->from);
		struct lockfile *again CLEANUP(lockfile_freep) = NULL;
		struct plan_file_expected y = {0};
		struct err bad = {0};

		assert_non_null(at);
		char *other CLEANUP(freep) = mem_printf("%.*s%s%s", (int) (at - buf_str(&text)),
							buf_str(&text), k->to,
							at + strlen(k->from));
		assert_int_equal(plan_file_read("p.json", other, strlen(other), &again, &y, &bad),
				 k->code ? -1 : 0);
		assert_string_equal(bad.msg, k->message);
		assert_int_equal(bad.code, k->code);
		if (k->code)
			continue;
		assert_string_equal(again->digest, l->digest);
		assert_string_equal(y.active, "v0");
		assert_string_equal(y.active_lockfile, B64);
	}
	/* A lock is none, and neither is any other text. */
	struct lockfile *none = l;
	assert_int_equal(plan_file_read("x.json", GOOD, strlen(GOOD), &none, &x, &e), 0);
	assert_null(none);
	assert_int_equal(plan_file_read("x.json", "{", 1, &none, &x, &e), 0);
	assert_null(none);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(plan_file),           cmocka_unit_test(lockfile_good),
		cmocka_unit_test(lockfile_faults),     cmocka_unit_test(lockfile_cut),
		cmocka_unit_test(lockfile_skip),       cmocka_unit_test(lockfile_canary),
		cmocka_unit_test(lockfile_round_trip), cmocka_unit_test(lockfile_schema_committed),
	};

	return cmocka_run_group_tests_name("lock", tests, NULL, NULL);
}
