#include "spec/gateway.h"

#include <string.h>

#include "base/mem.h"
#include "base/text.h"
#include "spec/check.h"
#include "spec/planning.h"
#include "spec/source.h"

/* HOST:PORT, with the host of IPv6 in brackets. */
static bool is_listen_address(const char *s) {
	static const char name[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.-";
	const char *colon = strrchr(s, ':');
	uint64_t port;

	if (!colon || colon == s || !text_u64(colon + 1, &port) || port < 1 || port > 65535)
		return false;
	size_t n = (size_t) (colon - s);
	if (*s == '[')
		return n > 2 && colon[-1] == ']' && strspn(s + 1, "0123456789abcdefABCDEF:.") == n - 2;
	return strspn(s, name) == n;
}

/* Every text of the section ends in the configuration of a program; what would need quotes there is refused. */
static bool is_plain(const char *s) {
	static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._~:/@%+,=-[]";

	return strlen(s) <= 1000 && s[strspn(s, plain)] == 0;
}

#define PLAIN_FAULT "has a character that a gateway's configuration cannot have: letters, digits and ._~:/@%+,=-[] are fine"

static void check_plain(const struct yaml_node *root, const char *path, struct complaints *c) {
	const struct yaml_node *n = yaml_at(root, path);
	const char *s = yaml_scalar(n, NULL);

	if (s && !is_plain(s))
		spec_complain(c, n, path, PLAIN_FAULT);
}

static void check_fallback(const struct yaml_node *root, struct complaints *c) {
	const struct yaml_node *fallback = yaml_at(root, "gateway.fallback"), *url = yaml_get(fallback, "url");
	const struct yaml_node *privacy = yaml_at(root, "requirements.privacy");
	const char *s = yaml_scalar(url, NULL), *word = yaml_scalar(privacy, NULL);

	if (s && spec_url_fault(s))
		spec_complain(c, url, "gateway.fallback.url", spec_url_fault(s));
	else
		check_plain(root, "gateway.fallback.url", c);
	if (yaml_kind(fallback) != YAML_MAPPING)
		return;
	if (word && !strcmp(word, "local"))
		complaints_add(c, yaml_pos(fallback),
			       "'gateway.fallback' sends questions elsewhere, and 'requirements.privacy' in line %d is local: "
			       "write hybrid or any there, or remove the fallback", yaml_pos(privacy).line);
	else if (!privacy)
		complaints_add(c, yaml_pos(fallback),
			       "'gateway.fallback' sends questions elsewhere, and 'requirements.privacy' is local unless it is said: "
			       "write hybrid or any there, or remove the fallback");
}

static void check_file(const struct yaml_node *root, const char *path, struct complaints *c) {
	const struct yaml_node *n = yaml_at(root, path);
	const char *s = yaml_scalar(n, NULL);

	if (s && *s && *s != '/')
		spec_complain(c, n, path, "is not an absolute path: the file is read where the gateway runs");
	else
		check_plain(root, path, c);
}

static void check_names(const struct yaml_node *root, struct complaints *c) {
	const struct yaml_node *names = yaml_at(root, "gateway.fallback.shareable");

	for (size_t i = 0; i < yaml_count(names) && yaml_kind(names) == YAML_SEQUENCE; i++) {
		char *path CLEANUP(freep) = mem_printf("gateway.fallback.shareable[%zu]", i);
		const char *s = yaml_scalar(yaml_item(names, i), NULL);
		if (s && !is_plain(s))
			spec_complain(c, yaml_item(names, i), path, PLAIN_FAULT);
	}
}

static void check_price(const struct yaml_node *root, struct complaints *c) {
	static const char *const money[] = {"gateway.fallback.price.input_per_million_tokens", "gateway.fallback.price.output_per_million_tokens"};

	check_plain(root, "gateway.fallback.price.currency", c);
	for (size_t i = 0; i < 2; i++)
		spec_check_decimals(yaml_at(root, money[i]), money[i], c);
}

static void check_header(const struct yaml_node *root, struct complaints *c) {
	static const char token[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
	const struct yaml_node *n = yaml_at(root, "gateway.sticky");
	const char *s = yaml_scalar(n, NULL);

	if (s && s[strspn(s, token)])
		spec_complain(c, n, "gateway.sticky", "is not the name of a header");
}

static void check_address(const struct yaml_node *root, const char *path, const char *like, struct complaints *c) {
	const struct yaml_node *n = yaml_at(root, path);
	const char *s = yaml_scalar(n, NULL);
	char *fault CLEANUP(freep) = mem_printf("is not HOST:PORT with a port from 1 to 65535, like %s", like);

	if (s && *s && !is_listen_address(s))
		spec_complain(c, n, path, fault);
}

void spec_check_gateway(const struct yaml_node *root, struct complaints *c) {
	const struct yaml_node *metrics = yaml_at(root, "gateway.metrics");
	const char *listen = yaml_scalar(yaml_at(root, "gateway.listen"), NULL), *page = yaml_scalar(metrics, NULL);

	check_address(root, "gateway.listen", "127.0.0.1:8080", c);
	check_address(root, "gateway.metrics", "127.0.0.1:8404", c);
	if (page && listen && !strcmp(page, listen))
		spec_complain(c, metrics, "gateway.metrics", "is also 'gateway.listen': give it another port");
	check_file(root, "gateway.tls.certificate", c);
	check_file(root, "gateway.api_keys", c);
	check_file(root, "gateway.fallback.api_key_file", c);
	check_file(root, "gateway.fallback.ca_file", c);
	check_plain(root, "gateway.fallback.model", c);
	check_header(root, c);
	check_names(root, c);
	check_price(root, c);
	check_fallback(root, c);
}
