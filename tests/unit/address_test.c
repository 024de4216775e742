/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <string.h>

#include "base/address.h"

#define NO_PORT "has no port"
#define BAD_PORT "has a port that is no number from 1 to 65535"
#define BAD_HOST                                                                               \
	"has a host that cannot be one: labels of letters, digits and '-', 63 bytes at most, " \
	"with dots between"
#define BAD_FOUR "has an IPv4 address that is none"
#define BAD_SIX "has no IPv6 address between its brackets"
#define UNBRACKETED "has an IPv6 address without brackets, or two ports: write [ADDRESS]:PORT"
#define LABEL63 "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghijk"

static const struct {
	const char *name, *fault;
} listens[] = {
	{"127.0.0.1:8080", NULL},
	{"0.0.0.0:1", NULL},
	{"[::1]:65535", NULL},
	{"[::]:8080", NULL},
	{"localhost:8080", NULL},
	{"a-b.example:80", NULL},
	{LABEL63 ".x:80", NULL},
	{"[::ffff:127.0.0.1]:80", NULL},
	{"", NO_PORT},
	{"127.0.0.1", NO_PORT},
	{"8080", NO_PORT},
	{":8080", "has no host"},
	{"127.0.0.1:", BAD_PORT},
	{"127.0.0.1:0", BAD_PORT},
	{"127.0.0.1:65536", BAD_PORT},
	{"127.0.0.1:080", BAD_PORT},
	{"127.0.0.1:+80", BAD_PORT},
	{"127.0.0.1:80-90", BAD_PORT},
	{"127.0.0.1:abc", BAD_PORT},
	{"127.0.0.1:99999999999999999999", BAD_PORT},
	{"127.0.0.256:80", BAD_FOUR},
	{"1.2.3:80", BAD_FOUR},
	{"127.0.0.1.5:80", BAD_FOUR},
	{"127.0.0.01:80", BAD_FOUR},
	{"example.0x7f:80", BAD_FOUR},
	{"::1:80", UNBRACKETED},
	{"fe80::1:80", UNBRACKETED},
	{"[::1:80", "has a '[' without its ']'"},
	{"[]:80", "has a '[' without its ']'"},
	{"[::g]:80", BAD_SIX},
	{"[127.0.0.1]:80", BAD_SIX},
	{"[fe80::1%eth0]:80", BAD_SIX},
	{"::1]:80", "has a bracket that belongs to no IPv6 address"},
	{"a]b:80", "has a bracket that belongs to no IPv6 address"},
	{"-a:80", BAD_HOST},
	{"a-:80", BAD_HOST},
	{"a..b:80", BAD_HOST},
	{".a:80", BAD_HOST},
	{"a.:80", BAD_HOST},
	{LABEL63 "l.x:80", BAD_HOST},
	{"a b:80", BAD_HOST},
	{"*:80", BAD_HOST},
	{"unix@x:80", BAD_HOST},
	{"a/b:80", BAD_HOST},
	{"h\303\244:80", BAD_HOST},
};

static const struct {
	const char *name, *fault;
} apis[] = {
	{"https://api.example.org/v1", NULL},
	{"https://api.example.org", NULL},
	{"https://api.example.org/", NULL},
	{"https://api.example.org:8443/openai/v1/", NULL},
	{"https://10.0.0.1/v1", NULL},
	{"https://[2001:db8::1]:8443/v1", NULL},
	{"http://127.0.0.1:8000/v1", NULL},
	{"http://127.1.2.3/v1", NULL},
	{"http://localhost:8000", NULL},
	{"http://[::1]:8000/v1", NULL},
	{"https://a_b.example/v1", NULL},
	{"https://h/completions-proxy/v1", NULL},
	{"ftp://h/v1", "is not an https:// address"},
	{"h/v1", "is not an https:// address"},
	{"https:/h/v1", "is not an https:// address"},
	{"https:///v1", "has no host"},
	{"https://:443/v1", "has no host"},
	{"https://h:/v1", BAD_PORT},
	{"https://h:abc/v1", BAD_PORT},
	{"https://h:0/v1", BAD_PORT},
	{"https://h:65536/v1", BAD_PORT},
	{"https://h:443:443/v1", UNBRACKETED},
	{"https://[::1/v1", "has a '[' without its ']'"},
	{"https://[::1]x:443/v1", "has a '[' without its ']'"},
	{"https://[]/v1", "has a '[' without its ']'"},
	{"https://[1.2.3.4]/v1", BAD_SIX},
	{"https://2001:db8::1/v1", UNBRACKETED},
	{"https://1.2.3.4.5/v1", BAD_FOUR},
	{"https://300.1.1.1/v1", BAD_FOUR},
	{"https://-h/v1", BAD_HOST},
	{"https://h../v1", BAD_HOST},
	{"https://h./v1", BAD_HOST},
	{"https://" LABEL63 "l/v1", BAD_HOST},
	{"https://h,i/v1", BAD_HOST},
	{"https://me:word@h/v1",
	 "has a user or a password in it, which would be written into the lock: give "
	 "gateway.fallback.api_key_file"},
	{"http://127.evil.example/v1",
	 "is not encrypted, write https:// (http:// is for this machine only)"},
	{"http://localhost.example/v1",
	 "is not encrypted, write https:// (http:// is for this machine only)"},
	{"http://10.0.0.1/v1",
	 "is not encrypted, write https:// (http:// is for this machine only)"},
	{"http://[::2]/v1", "is not encrypted, write https:// (http:// is for this machine only)"},
	{"https://h/v1?key=1",
	 "has a query or a fragment: write the address without /chat/completions, as in "
	 "https://HOST/v1"},
	{"https://h#x",
	 "has a query or a fragment: write the address without /chat/completions, as in "
	 "https://HOST/v1"},
	{"https://h/a%20b",
	 "has a character in its path that is not allowed: use letters, digits and ._~/@:+,=-"},
	{"https://h/%[src]",
	 "has a character in its path that is not allowed: use letters, digits and ._~/@:+,=-"},
	{"https://h/a\\1",
	 "has a character in its path that is not allowed: use letters, digits and ._~/@:+,=-"},
	{"https://h/v1/chat/completions",
	 "names one endpoint of the API: write the address without /chat/completions, as in "
	 "https://HOST/v1"},
	{"https://h/v1/chat/completions/",
	 "names one endpoint of the API: write the address without /chat/completions, as in "
	 "https://HOST/v1"},
	{"https://h/v1/completions",
	 "names one endpoint of the API: write the address without /chat/completions, as in "
	 "https://HOST/v1"},
	{"https://h/v1/models",
	 "names one endpoint of the API: write the address without /chat/completions, as in "
	 "https://HOST/v1"},
	{"https://h//v1", "has '//' or '..' in its path"},
	{"https://h/a/../v1", "has '//' or '..' in its path"},
};

#define NO_ORIGIN                                                                              \
	"is not an origin: write SCHEME://HOST or SCHEME://HOST:PORT, as a browser sends it, " \
	"like https://app.example"
#define ORIGIN_PATH                                                                             \
	"has a path, and an origin has none, not even a '/' at its end: write https://HOST or " \
	"https://HOST:PORT"
static const struct {
	const char *name, *fault;
} origins[] = {
	{"*", NULL},
	{"https://app.example", NULL},
	{"http://localhost:3000", NULL},
	{"https://[::1]:8443", NULL},
	{"http://192.168.1.5:80", NULL},
	{"tauri://localhost", NULL},
	{"chrome-extension://abcdef", NULL},
	{"app.example", NO_ORIGIN},
	{"", NO_ORIGIN},
	{"null", NO_ORIGIN},
	{"://h", NO_ORIGIN},
	{"1http://h", NO_ORIGIN},
	{"HTTPS://h", NO_ORIGIN},
	{"https://*.example", BAD_HOST},
	{"https://app.example/", ORIGIN_PATH},
	{"https://app.example/x", ORIGIN_PATH},
	{"https://app.example?x", ORIGIN_PATH},
	{"https://App.example", "has upper-case letters, and browsers send a host in lower case"},
	{"https://h:0", "has a port that is no number from 1 to 65535"},
	{"https://h:x", "has a port that is no number from 1 to 65535"},
	{"https://a b", BAD_HOST},
};

static const struct {
	const char *name, *other;
	int overlap;
} pairs[] = {
	{"127.0.0.1:80", "127.0.0.1:80", 1},
	{"127.0.0.1:80", "127.0.0.1:81", 0},
	{"127.0.0.1:80", "127.0.0.2:80", 0},
	{"0.0.0.0:80", "127.0.0.1:80", 1},
	{"127.0.0.1:80", "0.0.0.0:80", 1},
	{"0.0.0.0:80", "[::1]:80", 0},
	{"[::]:80", "127.0.0.1:80", 1},
	{"[::]:80", "0.0.0.0:80", 1},
	{"[::]:80", "[::1]:80", 1},
	{"[::1]:80", "[0:0::1]:80", 1},
	{"[::1]:80", "127.0.0.1:80", 0},
	{"localhost:80", "127.0.0.1:80", 1},
	{"Host.example:80", "host.example:80", 1},
	{"0.0.0.0:80", "host.example:80", 1},
	{"host.example:80", "127.0.0.1:80", 0},
};

static void same(const char *got, const char *want) {
	if (want)
		assert_string_equal(got ? got : "no fault", want);
	else
		assert_string_equal(got ? got : "no fault", "no fault");
}

static void listening(void **state) {
	(void) state;
	EACH_CASE (c, listens)
		same(address_listen_fault(c->name), c->fault);
}

static void hosted(void **state) {
	(void) state;
	EACH_CASE (c, apis)
		same(address_api_fault(c->name), c->fault);
}

static void asking(void **state) {
	(void) state;
	EACH_CASE (c, origins)
		same(address_origin_fault(c->name), c->fault);
}

static void overlapping(void **state) {
	(void) state;
	EACH_CASE (c, pairs)
		assert_int_equal(address_overlaps(c->name, c->other), c->overlap);
}

int main(void) {
	const struct CMUnitTest tests[] = {cmocka_unit_test(listening), cmocka_unit_test(hosted),
					   cmocka_unit_test(asking), cmocka_unit_test(overlapping)};

	return cmocka_run_group_tests_name("address", tests, NULL, NULL);
}
