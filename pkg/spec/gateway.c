/* SPDX-License-Identifier: Apache-2.0 */
#include "spec/gateway.h"

#include <string.h>

#include "base/address.h"
#include "base/mem.h"
#include "spec/check.h"
#include "spec/planning.h"

#define LISTEN_DEFAULT "127.0.0.1:8080"
#define METRICS_DEFAULT "127.0.0.1:8404"
enum { HEADER_MAX = 256 };
#define PLAIN_FAULT                                                                               \
	"has a character that a gateway's configuration does not allow: use letters, digits and " \
	"._~:/@%+,=-[]"

/* Every text of the section ends in the configuration of a program; what would need quotes there is
 * refused. */
static void check_plain(const struct yaml_node *root, const char *path, struct diagnostics *c) {
	const struct yaml_node *n = yaml_at(root, path);
	const char *s = yaml_scalar(n, NULL);

	if (s && !address_is_plain(s))
		spec_diagnose(c, n, path, PLAIN_FAULT);
}

static void check_fallback(const struct yaml_node *root, struct diagnostics *c) {
	const struct yaml_node *fallback = yaml_at(root, "gateway.fallback"),
			       *url = yaml_get(fallback, "url");
	const struct yaml_node *privacy = yaml_at(root, "requirements.privacy");
	const char *s = yaml_scalar(url, NULL), *word = yaml_scalar(privacy, NULL);

	if (s && address_api_fault(s))
		spec_diagnose(c, url, "gateway.fallback.url", address_api_fault(s));
	else
		check_plain(root, "gateway.fallback.url", c);
	if (yaml_kind(fallback) != YAML_MAPPING)
		return;
	if (word && !strcmp(word, "local"))
		diagnostics_add(c, yaml_pos(fallback),
				"'gateway.fallback' sends questions to another service, but "
				"'requirements.privacy' in line %d is local: "
				"set it to hybrid or any, or remove the fallback",
				yaml_pos(privacy).line);
	else if (!privacy)
		diagnostics_add(c, yaml_pos(fallback),
				"'gateway.fallback' sends questions to another service, but "
				"'requirements.privacy' is local by default: "
				"set it to hybrid or any, or remove the fallback");
}

static void check_file(const struct yaml_node *root, const char *path, struct diagnostics *c) {
	const struct yaml_node *n = yaml_at(root, path);
	const char *s = yaml_scalar(n, NULL);

	if (s && *s && *s != '/')
		spec_diagnose(
			c, n, path,
			"is not an absolute path: the gateway reads the file on its own machine");
	else if (s && *s && s[strlen(s) - 1] == '/')
		spec_diagnose(c, n, path, "is a directory, not a file");
	else
		check_plain(root, path, c);
}

static void check_names(const struct yaml_node *root, struct diagnostics *c) {
	const struct yaml_node *names = yaml_at(root, "gateway.fallback.shareable");

	for (size_t i = 0; i < yaml_count(names) && yaml_kind(names) == YAML_SEQUENCE; i++) {
		char *path CLEANUP(freep) = mem_printf("gateway.fallback.shareable[%zu]", i);
		const char *s = yaml_scalar(yaml_item(names, i), NULL);
		if (s && !address_is_plain(s))
			spec_diagnose(c, yaml_item(names, i), path, PLAIN_FAULT);
	}
}

static void check_origins(const struct yaml_node *root, struct diagnostics *c) {
	const struct yaml_node *list = yaml_at(root, "gateway.cors");

	for (size_t i = 0; i < yaml_count(list) && yaml_kind(list) == YAML_SEQUENCE; i++) {
		char *path CLEANUP(freep) = mem_printf("gateway.cors[%zu]", i);
		const char *s = yaml_scalar(yaml_item(list, i), NULL),
			   *fault = s ? address_origin_fault(s) : NULL;
		if (fault)
			spec_diagnose(c, yaml_item(list, i), path, fault);
		else if (s && !strcmp(s, "*") && yaml_count(list) > 1)
			spec_diagnose(c, yaml_item(list, i), path,
				      "allows every origin: remove the other entries, or this one");
	}
}

static void check_price(const struct yaml_node *root, struct diagnostics *c) {
	static const char *const money[] = {"gateway.fallback.price.input_per_million_tokens",
					    "gateway.fallback.price.output_per_million_tokens"};

	check_plain(root, "gateway.fallback.price.currency", c);
	for (size_t i = 0; i < 2; i++)
		spec_check_decimals(yaml_at(root, money[i]), money[i], c);
}

static void check_header(const struct yaml_node *root, struct diagnostics *c) {
	static const char token[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
	const struct yaml_node *n = yaml_at(root, "gateway.sticky");
	const char *s = yaml_scalar(n, NULL);

	if (s && (s[strspn(s, token)] || strlen(s) > HEADER_MAX))
		spec_diagnose(c, n, "gateway.sticky", "is not the name of a header");
}

static void check_address(const struct yaml_node *root, const char *path, const char *like,
			  struct diagnostics *c) {
	const struct yaml_node *n = yaml_at(root, path);
	const char *s = yaml_scalar(n, NULL), *fault = s && *s ? address_listen_fault(s) : NULL;

	if (!fault)
		return;
	char *said CLEANUP(freep) = mem_printf("%s: write HOST:PORT, like %s", fault, like);
	spec_diagnose(c, n, path, said);
}

/* What is not said is the default, and may be what the other one says. */
static void check_apart(const struct yaml_node *root, struct diagnostics *c) {
	const struct yaml_node *metrics = yaml_at(root, "gateway.metrics"),
			       *listen = yaml_at(root, "gateway.listen");
	const char *address = yaml_scalar(listen, NULL), *page = yaml_scalar(metrics, NULL);

	if (!address_overlaps(address ? address : LISTEN_DEFAULT, page ? page : METRICS_DEFAULT))
		return;
	if (page && address && !strcmp(page, address))
		spec_diagnose(c, metrics, "gateway.metrics",
			      "is also 'gateway.listen': give it another port");
	else if (page)
		spec_diagnose(c, metrics, "gateway.metrics",
			      "overlaps with 'gateway.listen': give it another port");
	else
		spec_diagnose(c, listen, "gateway.listen",
			      "overlaps with 'gateway.metrics' (" METRICS_DEFAULT
			      " by default): give one of them another port");
}

void spec_check_gateway(const struct yaml_node *root, struct diagnostics *c) {
	check_address(root, "gateway.listen", LISTEN_DEFAULT, c);
	check_address(root, "gateway.metrics", METRICS_DEFAULT, c);
	check_apart(root, c);
	check_file(root, "gateway.tls.certificate", c);
	check_file(root, "gateway.api_keys", c);
	check_file(root, "gateway.fallback.api_key_file", c);
	check_file(root, "gateway.fallback.ca_file", c);
	check_plain(root, "gateway.fallback.model", c);
	check_header(root, c);
	check_names(root, c);
	check_origins(root, c);
	check_price(root, c);
	check_fallback(root, c);
}
