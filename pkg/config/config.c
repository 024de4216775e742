/* SPDX-License-Identifier: Apache-2.0 */
#include "config/config.h"

#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/signed.h"
#include "base/text.h"
#include "config/apt.h"
#include "fs/fs.h"
#include "schema/schema.h"
#include "yaml/yaml.h"
#include "json/json.h"

static const char *const modes[] = {"docker", "host", "none", NULL};
static const struct schema_field gateway_fields[] = {
	{.key = "mode",
	 .type = SCHEMA_ENUM,
	 .fallback = "docker",
	 .choices = modes,
	 .doc = "docker: our own image, in a container; host: an installed HAProxy, run by us; "
		"none: clients have no gateway."},
	{.key = "program",
	 .type = SCHEMA_STRING,
	 .fallback = CONFIG_HAPROXY,
	 .doc = "Absolute path of the installed HAProxy, for mode host."},
	{0},
};

enum { DOCKER_TIMEOUT_MS = 15000 };

static const struct schema_field fields[] = {
	{.key = "mirror",
	 .type = SCHEMA_ONE_OR_LIST,
	 .max = 16,
	 .doc = "URL of a Debian mirror, or of a snapshot of one, or file:/PATH; a list is tried "
		"in order. Else: what apt uses."},
	{.key = "snapshot",
	 .type = SCHEMA_ONE_OR_LIST,
	 .max = 16,
	 .doc = "URL of an archive of snapshots, without a time: the lock's index time is added. "
		"For locked packages that no mirror has any more."},
	{.key = "keyring",
	 .type = SCHEMA_STRING,
	 .fallback = CONFIG_KEYRING,
	 .doc = "Absolute path of the keys that sign the archive."},
	{.key = "engine",
	 .type = SCHEMA_STRING,
	 .doc = "Docker Engine to use, unix:///PATH. Else: what the docker command would use."},
	{.key = "engine_timeout",
	 .type = SCHEMA_DURATION,
	 .fallback = "15s",
	 .min = 200,
	 .max = 600000,
	 .doc = "What a look at the Engine may take; a start or a stop may take 8 times that, an "
		"image that is loaded be silent for 20 times, an Engine that went away take 4 "
		"times to come back."},
	{.key = "gateway",
	 .type = SCHEMA_OBJECT,
	 .fields = gateway_fields,
	 .doc = "The HAProxy in front of the routes."},
	{0},
};

const struct schema_field *config_fields(void) {
	return fields;
}

struct whole {
	struct config config; /* first: the two are one allocation */
	struct arena *arena;
};

void config_free(struct config *c) {
	struct whole *w = (struct whole *) c;

	if (!w)
		return;
	arena_free(w->arena);
	free(w);
}

void config_freep(struct config **c) {
	config_free(*c);
}

static bool is_url(const char *s) {
	const char *host = text_starts(s, "https://") ? s + 8
		: text_starts(s, "http://")           ? s + 7
						      : "";

	return (text_starts(s, "file:/") || (*host && *host != '/')) && !s[strcspn(s, " \t\r\n")];
}

static void refuse(struct diagnostics *c, const struct yaml_node *n, const char *what) {
	char shown[YAML_SHOWN];

	diagnostics_add(c, yaml_pos(n), "'%s' %s", yaml_show(yaml_scalar(n, NULL), shown), what);
}

static bool has_password(const char *s) {
	const char *host = strstr(s, "://");

	return host && memchr(host + 3, '@', strcspn(host + 3, "/?#"));
}

static const char *secretless(const char *s, char shown[YAML_SHOWN]) {
	char *plain CLEANUP(freep) = signed_shown(s);

	return yaml_show(plain, shown);
}

static void check_url(const struct yaml_node *n, const char *what, struct diagnostics *c) {
	const char *s = yaml_scalar(n, NULL);
	char shown[YAML_SHOWN];

	if (s && *s && !is_url(s))
		refuse(c, n, what);
	else if (s && signed_query(s))
		diagnostics_add(c, yaml_pos(n),
				"'%s' has a signature, a token or a key in its query, which would "
				"be written into journals and messages",
				secretless(s, shown));
	else if (s && has_password(s))
		diagnostics_add(c, yaml_pos(n),
				"'%s' has a user or a password in it, which would be written into "
				"journals and messages",
				secretless(s, shown));
}

static void check_urls(const struct yaml_node *n, const char *what, struct diagnostics *c) {
	check_url(n, what, c);
	for (size_t i = 0; i < yaml_count(n) && yaml_kind(n) == YAML_SEQUENCE; i++)
		check_url(yaml_item(n, i), what, c);
}

static void check(const struct yaml_node *root, struct diagnostics *c) {
	const struct yaml_node *keyring = yaml_get(root, "keyring");
	const struct yaml_node *docker = yaml_get(root, "engine"),
			       *program = yaml_at(root, "gateway.program");
	const char *s = yaml_scalar(keyring, NULL);

	check_urls(yaml_get(root, "mirror"),
		   "in 'mirror' is not an https:// or http:// address, and not file:/PATH", c);
	check_urls(yaml_get(root, "snapshot"),
		   "in 'snapshot' is not an https:// or http:// address, and not file:/PATH", c);
	if (s && *s && *s != '/')
		refuse(c, keyring, "in 'keyring' is not an absolute path");
	s = yaml_scalar(docker, NULL);
	if (s && *s && !text_starts(s, "unix:///"))
		refuse(c, docker,
		       "in 'engine' is not unix:///PATH: only an Engine on this machine is used");
	s = yaml_scalar(program, NULL);
	if (s && *s && *s != '/')
		refuse(c, program, "in 'gateway.program' is not an absolute path");
}

static void add_urls(struct config_urls *urls, const struct json *list) {
	for (const struct json *m = json_first(list); m; m = json_next(m))
		config_urls_add(urls, json_text(m), strlen(json_text(m)));
}

static enum config_gateway mode_of(const struct json *gateway) {
	const char *mode = json_str(gateway, "mode");

	for (size_t i = 0; mode && modes[i]; i++)
		if (!strcmp(modes[i], mode))
			return (enum config_gateway) i;
	return CONFIG_GATEWAY_DOCKER;
}

static void fill(struct whole *w, const struct json *tree, struct config_urls *urls) {
	const char *program = json_str(json_get(tree, "gateway"), "program");
	struct config_urls snapshots = {.arena = w->arena};

	add_urls(urls, json_get(tree, "mirror"));
	add_urls(&snapshots, json_get(tree, "snapshot"));
	w->config.snapshots = snapshots.at;
	w->config.n_snapshots = snapshots.n;
	w->config.keyring = arena_strdup(w->arena,
					 json_str(tree, "keyring") ? json_str(tree, "keyring")
								   : CONFIG_KEYRING);
	w->config.gateway = mode_of(json_get(tree, "gateway"));
	w->config.haproxy = arena_strdup(w->arena, program ? program : CONFIG_HAPROXY);
	w->config.docker = arena_strdup(w->arena, json_str(tree, "engine"));
	w->config.docker_timeout_ms = (uint64_t) json_int_or(tree, "engine_timeout",
							     DOCKER_TIMEOUT_MS);
}

/* A file that is all comments says nothing, and is no fault here. */
static bool is_blank(const char *text) {
	for (; *text; text += strcspn(text, "\n"), text += *text == '\n')
		if (!strchr("#\r\n", text[strspn(text, " \t")]))
			return false;
	return true;
}

static int parse(struct whole *w, const struct buf *text, struct config_urls *urls,
		 struct diagnostics *c, struct err *e) {
	struct yaml *y CLEANUP(yaml_freep) = NULL;

	if (yaml_parse(w->config.path, buf_str(text), text->len, &y, c, e))
		return diagnostics_result(c, e);
	struct json *tree CLEANUP(json_freep) = schema_check(yaml_root(y), fields, c);
	check(yaml_root(y), c);
	if (diagnostics_result(c, e))
		return -1;
	fill(w, tree, urls);
	return 0;
}

int config_load(int root, const char *root_path, const char *apt_dir, struct config **out,
		struct diagnostics *c, struct err *e) {
	struct whole *w = mem_zalloc(1, sizeof *w);
	struct config *config CLEANUP(config_freep) = &w->config;
	struct buf text CLEANUP(buf_done) = BUF_INIT(4 * YAML_MAX_BYTES);
	bool found = false;

	w->arena = arena_new();
	struct config_urls urls = {.arena = w->arena};
	config->path = arena_printf(w->arena, "%s/config.yaml", root_path);
	if (fs_read_if(root, "config.yaml", &text, &found, e))
		return -1;
	if (!found || is_blank(buf_str(&text)))
		fill(w, NULL, &urls);
	else if (parse(w, &text, &urls, c, e))
		return -1;
	if (!urls.n)
		config_apt_mirrors(apt_dir, &urls);
	config->mirrors = urls.at;
	config->n_mirrors = urls.n;
	*out = STEAL(config);
	return 0;
}
