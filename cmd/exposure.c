/* SPDX-License-Identifier: Apache-2.0 */
#include "exposure.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/text.h"
#include "cmd.h"
#include "report/report.h"
#include "json/json.h"

static bool is_loopback_v6(const struct in6_addr *v6) {
	if (IN6_IS_ADDR_V4MAPPED(v6))
		return v6->s6_addr[12] == 127;
	return IN6_IS_ADDR_LOOPBACK(v6);
}

/* The host of "HOST:PORT", without the brackets of IPv6; yours. */
static char *host_of(const char *listen) {
	const char *colon = strrchr(listen, ':');
	size_t n = colon ? (size_t) (colon - listen) : strlen(listen);

	if (n > 1 && listen[0] == '[' && listen[n - 1] == ']')
		return mem_strndup(listen + 1, n - 2);
	return mem_strndup(listen, n);
}

static bool is_loopback(const char *host) {
	struct in_addr v4;
	struct in6_addr v6;

	if (inet_aton(host, &v4))
		return ntohl(v4.s_addr) >> 24 == 127;
	if (inet_pton(AF_INET6, host, &v6) == 1)
		return is_loopback_v6(&v6);
	return !strcmp(host, "localhost") || text_ends(host, ".localhost");
}

void exposure_warn(const struct args *a, const struct json *gateway, const struct pos *at) {
	const char *listen = json_str(gateway, "listen");

	if (!listen || json_str(gateway, "api_keys"))
		return;
	char *host CLEANUP(freep) = host_of(listen);
	if (is_loopback(host))
		return;
	char *place CLEANUP(freep) = at && at->line
		? mem_printf("%s:%d:%d: ", at->file, at->line, at->col)
		: mem_strdup("");
	report_warning(
		a->report,
		"%sgateway.listen %s is open to the network and gateway.api_keys is not set: "
		"everyone who reaches the port "
		"can use the model; set gateway.api_keys (docs/gateway.md), or listen on 127.0.0.1",
		place, listen);
}
