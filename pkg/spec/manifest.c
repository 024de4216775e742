/* SPDX-License-Identifier: Apache-2.0 */
#include <stddef.h>

#include "capability/capability.h"
#include "spec/tables.h"

static const char *const api_versions[] = {"llmdeploy/v1", NULL};
static const char *const backends[] = {"cpu", "vulkan", "cuda", "rocm", "metal", "auto", NULL};
static const char *const kv_types[] = {"f32", "f16", "bf16", "q8_0", "q4_0", "q4_1", "iq4_nl", "q5_0", "q5_1", "fp8_e4m3", "fp8_e5m2", NULL};
static const char *const privacies[] = {"local", "hybrid", "any", NULL};
static const char *const automatic[] = {"auto", NULL};
static const char *const admissions[] = {"enforce", "warn", "off", NULL};
static const char *const latencies[] = {"interactive", "asynchronous", NULL};
static const char *const patterns[] = {"steady", "bursty", NULL};
static const char *const plannable[] = {"card", "candidates", NULL};

#define SOURCE_DOC                                                                                       \
	"Where the file may be had: hf://ORG/REPO@REVISION/FILE, https://..., file:PATH or a path beside the " \
	"manifest; ARCHIVE#MEMBER for a member of an archive. A list is tried in order. url_file:/PATH or url_env:NAME where the address " \
	"must stay secret: a file or a variable with the address in it."

static const struct schema_field adapter_fields[] = {
	{.key = "source", .type = SCHEMA_ONE_OR_LIST, .flags = SCHEMA_REQUIRED, .max = 16, .doc = SOURCE_DOC},
	{.key = "sha256", .type = SCHEMA_DIGEST, .flags = SCHEMA_REQUIRED, .doc = "SHA-256 of the adapter's file."},
	{.key = "scale", .type = SCHEMA_DECIMAL, .fallback = "1.0", .min = -10, .max = 10, .doc = "How strong the adapter is."},
	{0},
};
static const struct schema_field adapter = {.type = SCHEMA_OBJECT, .fields = adapter_fields};

/* What a plan can be made of; what is to run needs source and sha256. */
static const struct schema_field candidate_fields[] = {
	{.key = "name", .type = SCHEMA_NAME, .flags = SCHEMA_REQUIRED, .doc = "What the plan calls it: fp16, q4, ..."},
	{.key = "source", .type = SCHEMA_ONE_OR_LIST, .max = 16, .doc = SOURCE_DOC},
	{.key = "sha256", .type = SCHEMA_DIGEST, .doc = "SHA-256 of the file: 64 hex digits."},
	{.key = "bytes", .type = SCHEMA_BYTES, .min = 1, .doc = "Size of its weights, to plan with before there is a file, like 4.6GB."},
	{.key = "card", .type = SCHEMA_STRING, .doc = "A model card, NAME or NAME/ARTIFACT, that says its architecture and weights before there is a file."},
	{.key = "quality", .type = SCHEMA_DECIMAL, .max = 1, .doc = "Its quality as you measured it, from 0 to 1."},
	{0},
};
static const struct schema_field candidate = {.type = SCHEMA_OBJECT, .fields = candidate_fields};

static const struct schema_field model_fields[] = {
	{.key = "source", .type = SCHEMA_ONE_OR_LIST, .flags = SCHEMA_REQUIRED, .unless = plannable, .max = 16, .doc = SOURCE_DOC},
	{.key = "sha256", .type = SCHEMA_DIGEST, .flags = SCHEMA_REQUIRED, .unless = plannable, .doc = "SHA-256 of the model's file: 64 hex digits."},
	{.key = "card", .type = SCHEMA_STRING, .doc = "A model card, NAME or NAME/ARTIFACT, to plan with before there is a file; a release is made of bytes."},
	{.key = "candidates", .type = SCHEMA_LIST, .element = &candidate, .min = 1, .max = 16,
	 .doc = "Artifacts to choose among: the smallest that fits and passes wins (llmdeploy choose)."},
	{.key = "quality_min", .type = SCHEMA_DECIMAL, .max = 1, .doc = "Minimum quality of a candidate."},
	{.key = "adapters", .type = SCHEMA_LIST, .fallback = "[]", .element = &adapter, .max = 16, .doc = "LoRA adapters, applied in order."},
	{.key = "chat_template", .type = SCHEMA_STRING, .doc = "File with a chat template that replaces the model's own."},
	{0},
};

static const struct schema_field any_argument = {.type = SCHEMA_ANY};
static const struct schema_field runtime_fields[] = {
	{.key = "name", .type = SCHEMA_NAME, .fallback = "llama.cpp", .doc = "The runtime: a folder of runtimes/."},
	{.key = "backend", .type = SCHEMA_ENUM, .fallback = "auto", .choices = backends, .doc = "The backend that the runtime computes on."},
	{.key = "context_tokens", .type = SCHEMA_INT, .fallback = "8192", .min = 16, .max = 1 << 24,
	 .doc = "Tokens of context for each sequence, not for all together."},
	{.key = "concurrent_sequences", .type = SCHEMA_INT, .fallback = "4", .min = 1, .max = 1024,
	 .doc = "How many questions are answered at once."},
	{.key = "kv_cache", .type = SCHEMA_ENUM, .fallback = "f16", .choices = kv_types, .doc = "Type of the numbers in the KV cache."},
	{.key = "extra_args", .type = SCHEMA_MAP, .fallback = "{}", .element = &any_argument, .max = 64,
	 .doc = "Further flags of the runtime; only those that its definition allows."},
	{0},
};

static const struct schema_field capability = {.type = SCHEMA_ENUM, .choices = capability_names};
static const struct schema_field requirement_fields[] = {
	{.key = "privacy", .type = SCHEMA_ENUM, .fallback = "local", .choices = privacies,
	 .doc = "Whether a question may leave this machine; local: never, so there can be no fallback."},
	{.key = "capabilities", .type = SCHEMA_LIST, .fallback = "[openai_api, metrics]", .element = &capability, .max = 32,
	 .doc = "What the runtime must be able to do."},
	{.key = "latency", .type = SCHEMA_ENUM, .fallback = "interactive", .choices = latencies,
	 .doc = "Whether a person waits for the answer; asynchronous also admits machines that are too slow."},
	{.key = "latency_p95", .type = SCHEMA_DURATION, .min = 1, .max = DAY_MS,
	 .doc = "p95 latency that users need: machines that exceed it are refused; default: eval.latency_p95."},
	{0},
};

static const struct schema_field device_fields[] = {
	{.key = "memory", .type = SCHEMA_BYTES, .flags = SCHEMA_REQUIRED, .min = 1, .doc = "Memory to plan with, like 24GB or 16GiB."},
	{.key = "bandwidth", .type = SCHEMA_BANDWIDTH, .min = 1, .doc = "Memory bandwidth to plan with, like 400GB/s."},
	{0},
};
static const struct schema_field machine_fields[] = {
	{.key = "name", .type = SCHEMA_NAME, .flags = SCHEMA_REQUIRED, .doc = "What the plan calls it."},
	{.key = "memory", .type = SCHEMA_BYTES, .flags = SCHEMA_REQUIRED, .min = 1, .doc = "Memory of one of its devices, like 24GB."},
	{.key = "devices", .type = SCHEMA_INT, .fallback = "1", .min = 1, .max = 64, .doc = "How many such devices share the model."},
	{.key = "bandwidth", .type = SCHEMA_BANDWIDTH, .min = 1, .doc = "Memory bandwidth of one device, like 400GB/s."},
	{.key = "backend", .type = SCHEMA_ENUM, .fallback = "auto", .choices = backends, .doc = "The backend that the runtime computes on there; auto: as runtime.backend."},
	{.key = "latency_p95", .type = SCHEMA_DURATION, .min = 1, .max = DAY_MS, .doc = "p95 latency that was measured there."},
	{0},
};
static const struct schema_field machine = {.type = SCHEMA_OBJECT, .fields = machine_fields};
static const struct schema_field resource_fields[] = {
	{.key = "device", .type = SCHEMA_OBJECT, .fallback = "auto", .choices = automatic, .fields = device_fields,
	 .doc = "The device to plan for; auto: the one that is found."},
	{.key = "machines", .type = SCHEMA_LIST, .fallback = "[]", .element = &machine, .max = 32,
	 .doc = "Machines to choose among, best first; the plan says of each whether it is admitted, and why not."},
	{.key = "reserve", .type = SCHEMA_FRACTION, .fallback = "0.20", .max = 90, .doc = "Share of the device's memory that stays free."},
	{.key = "admission", .type = SCHEMA_ENUM, .fallback = "enforce", .choices = admissions,
	 .doc = "What happens to a release that does not fit: refuse it, warn, or do not check."},
	{0},
};

static const struct schema_field health_fields[] = {
	{.key = "startup_timeout", .type = SCHEMA_DURATION, .fallback = "10m", .min = 1000, .max = DAY_MS,
	 .doc = "Time limit until the candidate is ready."},
	{.key = "stall_timeout", .type = SCHEMA_DURATION, .fallback = "60s", .min = 1000, .max = DAY_MS,
	 .doc = "Time limit without progress in log and answers during a start."},
	{0},
};

static const struct schema_field eval_fields[] = {
	{.key = "golden", .type = SCHEMA_STRING, .doc = "File with the golden set that decides about the release."},
	{.key = "skip", .type = SCHEMA_STRING, .doc = "Why this release has no golden set; journal and status keep saying so."},
	{.key = "latency_p95", .type = SCHEMA_DURATION, .min = 1, .max = DAY_MS, .doc = "Limit of the p95 latency of the golden answers."},
	{0},
};

static const struct schema_field shareable = {.type = SCHEMA_STRING};
static const struct schema_field price_fields[] = {
	{.key = "currency", .type = SCHEMA_STRING, .doc = "What the prices are in, for people."},
	{.key = "input_per_million_tokens", .type = SCHEMA_DECIMAL, .flags = SCHEMA_REQUIRED, .max = 1000000, .doc = "Price of a million tokens of questions."},
	{.key = "output_per_million_tokens", .type = SCHEMA_DECIMAL, .flags = SCHEMA_REQUIRED, .max = 1000000, .doc = "Price of a million tokens of answers."},
	{0},
};
static const struct schema_field fallback_fields[] = {
	{.key = "url", .type = SCHEMA_STRING, .flags = SCHEMA_REQUIRED, .doc = "An https:// address of an OpenAI-compatible API, with its /v1."},
	{.key = "model", .type = SCHEMA_STRING, .flags = SCHEMA_REQUIRED, .doc = "The model's name there."},
	{.key = "api_key_file", .type = SCHEMA_STRING, .doc = "Absolute path of a file with the key; never the key itself."},
	{.key = "ca_file", .type = SCHEMA_STRING, .doc = "Absolute path of the CAs that its certificate is checked by; default: the system's."},
	{.key = "shareable", .type = SCHEMA_LIST, .element = &shareable, .max = 16,
	 .doc = "Model names by which a client asks for it; default ROUTE-large, [] for none."},
	{.key = "price", .type = SCHEMA_OBJECT, .flags = SCHEMA_OPTIONAL, .fields = price_fields, .doc = "Its prices, so that status can sum up the cost."},
	{0},
};
static const struct schema_field tls_fields[] = {
	{.key = "certificate", .type = SCHEMA_STRING, .flags = SCHEMA_REQUIRED, .doc = "Absolute path of a PEM file: certificate, chain and key."},
	{0},
};
static const struct schema_field queue_fields[] = {
	{.key = "length", .type = SCHEMA_INT, .fallback = "16", .min = 1, .max = 100000, .doc = "How many requests may wait in the queue."},
	{.key = "timeout", .type = SCHEMA_DURATION, .fallback = "60s", .min = 1, .max = DAY_MS, .doc = "How long one may wait."},
	{0},
};
static const struct schema_field origin = {.type = SCHEMA_STRING};
static const struct schema_field gateway_fields[] = {
	{.key = "listen", .type = SCHEMA_STRING, .fallback = "127.0.0.1:8080", .doc = "HOST:PORT that clients call; routes may share it."},
	{.key = "metrics", .type = SCHEMA_STRING, .fallback = "127.0.0.1:8404", .doc = "HOST:PORT of the page for Prometheus; routes may share it."},
	{.key = "tls", .type = SCHEMA_OBJECT, .flags = SCHEMA_OPTIONAL, .fields = tls_fields, .doc = "Clients connect with TLS."},
	{.key = "api_keys", .type = SCHEMA_STRING,
	 .doc = "Absolute path of a file with the SHA-256 of each client's key and the client's name, a line each; without it no key is needed."},
	{.key = "sticky", .type = SCHEMA_STRING, .fallback = "X-Session-Id", .doc = "Header that tells clients apart, for the canary."},
	{.key = "max_body", .type = SCHEMA_BYTES, .fallback = "10MB", .min = 1000, .max = 1000000000, .doc = "Largest request."},
	{.key = "queue", .type = SCHEMA_OBJECT, .fields = queue_fields, .doc = "Questions beyond what the release answers at once."},
	{.key = "cors", .type = SCHEMA_LIST, .flags = SCHEMA_OPTIONAL, .element = &origin, .min = 1, .max = 32,
	 .doc = "Origins of web pages whose scripts may ask, like https://app.example; * is any. Without it browsers keep scripts of other origins out."},
	{.key = "fallback", .type = SCHEMA_OBJECT, .flags = SCHEMA_OPTIONAL, .fields = fallback_fields,
	 .doc = "A hosted model that answers when no release can; only if privacy is not local."},
	{0},
};

#define COUNT_MAX 1000000000000
static const struct schema_field traffic_fields[] = {
	{.key = "requests_per_month", .type = SCHEMA_INT, .flags = SCHEMA_REQUIRED, .min = 1, .max = COUNT_MAX, .doc = "Questions a month."},
	{.key = "prompt_tokens", .type = SCHEMA_INT, .fallback = "0", .max = 1 << 24, .doc = "Tokens of one question with its sources, on average."},
	{.key = "output_tokens", .type = SCHEMA_INT, .fallback = "0", .max = 1 << 24, .doc = "Tokens of one answer, on average."},
	{.key = "peak_users", .type = SCHEMA_INT, .fallback = "0", .max = 1000000, .doc = "Users who ask at the same moment, at the worst."},
	{.key = "pattern", .type = SCHEMA_ENUM, .fallback = "steady", .choices = patterns,
	 .doc = "steady: spread over the month; bursty: the busiest hour has 15 % of the day's questions."},
	{0},
};
static const struct schema_field hosted_fields[] = {
	{.key = "per_1k_requests", .type = SCHEMA_DECIMAL, .max = 1000000, .doc = "Price of 1,000 requests; or the two below."},
	{.key = "input_per_million_tokens", .type = SCHEMA_DECIMAL, .max = 1000000, .doc = "Price of a million tokens of questions."},
	{.key = "output_per_million_tokens", .type = SCHEMA_DECIMAL, .max = 1000000, .doc = "Price of a million tokens of answers."},
	{0},
};
static const struct schema_field cost_fields[] = {
	{.key = "currency", .type = SCHEMA_STRING, .doc = "What the numbers are in, for people."},
	{.key = "hardware", .type = SCHEMA_DECIMAL, .fallback = "0", .max = 999999999, .doc = "A month: rent, or price over its life."},
	{.key = "power", .type = SCHEMA_DECIMAL, .fallback = "0", .max = 999999999, .doc = "A month."},
	{.key = "staff", .type = SCHEMA_DECIMAL, .fallback = "0", .max = 999999999, .doc = "A month."},
	{.key = "maintenance", .type = SCHEMA_DECIMAL, .fallback = "0", .max = 999999999, .doc = "A month."},
	{.key = "hosted", .type = SCHEMA_OBJECT, .flags = SCHEMA_REQUIRED, .fields = hosted_fields, .doc = "What a hosted service would take."},
	{0},
};

const struct schema_field spec_fields[] = {
	{.key = "apiVersion", .type = SCHEMA_ENUM, .flags = SCHEMA_REQUIRED, .choices = api_versions, .doc = "Version of this format."},
	{.key = "route", .type = SCHEMA_NAME, .flags = SCHEMA_REQUIRED, .doc = "The stable name that clients call."},
	{.key = "version", .type = SCHEMA_NAME, .flags = SCHEMA_REQUIRED, .doc = "Name of this release of the route."},
	{.key = "model", .type = SCHEMA_OBJECT, .flags = SCHEMA_REQUIRED, .fields = model_fields, .doc = "The model and what belongs to it."},
	{.key = "runtime", .type = SCHEMA_OBJECT, .fields = runtime_fields, .doc = "The runtime and its settings."},
	{.key = "requirements", .type = SCHEMA_OBJECT, .fields = requirement_fields, .doc = "What the release must be able to do, and may."},
	{.key = "resources", .type = SCHEMA_OBJECT, .fields = resource_fields, .doc = "What the release is planned for."},
	{.key = "health", .type = SCHEMA_OBJECT, .fields = health_fields, .doc = "When a start has failed."},
	{.key = "eval", .type = SCHEMA_OBJECT, .fields = eval_fields, .doc = "The gate before traffic."},
	{.key = "rollout", .type = SCHEMA_OBJECT, .fields = spec_rollout_fields, .doc = "How traffic moves."},
	{.key = "gateway", .type = SCHEMA_OBJECT, .fields = gateway_fields, .doc = "What clients call."},
	{.key = "traffic", .type = SCHEMA_OBJECT, .flags = SCHEMA_OPTIONAL, .fields = traffic_fields,
	 .doc = "Expected traffic, for the plan only: not part of a release."},
	{.key = "cost", .type = SCHEMA_OBJECT, .flags = SCHEMA_OPTIONAL, .fields = cost_fields,
	 .doc = "Monthly cost of this machine and of a hosted service, for the plan only: not part of a release."},
	{0},
};
