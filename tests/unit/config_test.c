/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/test.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/mem.h"
#include "config/apt.h"
#include "config/config.h"
#include "fs/fs.h"

static int enter_directory(void **state) {
	char *dir = strdup("/tmp/config_test.XXXXXX");
	struct err e = {0};

	if (!mkdtemp(dir) ||
	    chdir(dir) ||
	    fs_mkdirs(EFFECT_NONE, AT_FDCWD, "apt/sources.list.d", 0755, &e) ||
	    fs_mkdirs(EFFECT_NONE, AT_FDCWD, "root", 0755, &e))
		return -1;
	*state = dir;
	return 0;
}

static int leave_directory(void **state) {
	struct err e = {0};
	int failed = fs_remove_tree(EFFECT_NONE, AT_FDCWD, *state, &e);

	free(*state);
	return failed;
}

static void put(const char *path, const char *text) {
	struct err e = {0};

	if (text ? fs_write(EFFECT_NONE, AT_FDCWD, path, text, strlen(text), 0644, &e)
		 : fs_unlink(EFFECT_NONE, AT_FDCWD, path, &e))
		fail_msg("%s", e.msg);
}

static char *joined(const char *const *urls, size_t n) {
	struct buf b CLEANUP(buf_done) = BUF_INIT(1 << 16);

	for (size_t i = 0; i < n; i++)
		(void) buf_printf(&b, "%s%s", i ? " " : "", urls[i]);
	return buf_steal(&b);
}

static const struct {
	const char *name;
	void (*read)(const char *text, struct config_urls *out);
	const char *text, *urls;
} formats_cases[] = {
	{"list", config_apt_list, "deb http://a/debian bookworm main\n", "http://a/debian"},
	{"list, with all that may be", config_apt_list,
	 "# deb http://no/debian bookworm main\n\n  deb\t[ arch=amd64 signed-by=/k ]  "
	 "https://a/debian/  bookworm  contrib main # x\n",
	 "https://a/debian"},
	{"list, several", config_apt_list,
	 "deb http://a/debian bookworm main\ndeb http://a/debian bookworm-updates main\ndeb "
	 "http://b/debian trixie main\n",
	 "http://a/debian http://b/debian"},
	{"list, sources only", config_apt_list, "deb-src http://a/debian bookworm main\n", ""},
	{"list, another component", config_apt_list, "deb http://a/debian bookworm contrib\n", ""},
	{"list, another archive", config_apt_list,
	 "deb http://a/debian-security bookworm-security main\ndeb http://a/ubuntu x main\n", ""},
	{"list, no HTTP", config_apt_list,
	 "deb cdrom:[Debian]/debian bookworm main\ndeb file:/srv/debian bookworm main\n", ""},
	{"list, broken", config_apt_list,
	 "deb\ndeb [ http://a/debian bookworm main\ndeb http://a/debian\ndebx http://a/debian x "
	 "main\n",
	 ""},
	{"deb822", config_apt_sources,
	 "Types: deb\nURIs: http://a/debian\nSuites: bookworm\nComponents: main\n",
	 "http://a/debian"},
	{"deb822, with all that may be", config_apt_sources,
	 "# a comment\ntypes: deb deb-src\nURIs:\n http://a/debian/\n# between\n "
	 "https://b/debian\nSuites: x y\nComponents: main non-free\n"
	 "Enabled: yes\nSigned-By:\n -----BEGIN\n .\n http://no/debian\n",
	 "http://a/debian https://b/debian"},
	{"deb822, several stanzas", config_apt_sources,
	 "Types: deb\nURIs: http://a/debian\nSuites: x\nComponents: main\n\n \nTypes: deb\nURIs: "
	 "http://b/debian\nSuites: x\nComponents: main\n",
	 "http://a/debian http://b/debian"},
	{"deb822, disabled", config_apt_sources,
	 "Enabled: no\nTypes: deb\nURIs: http://a/debian\nSuites: x\nComponents: main\n\n"
	 "Enabled: False\nTypes: deb\nURIs: http://b/debian\nSuites: x\nComponents: main\n",
	 ""},
	{"deb822, sources only", config_apt_sources,
	 "Types: deb-src\nURIs: http://a/debian\nSuites: x\nComponents: main\n", ""},
	{"deb822, without suites", config_apt_sources,
	 "Types: deb\nURIs: http://a/debian\nComponents: main\n", ""},
	{"deb822, broken", config_apt_sources,
	 "nonsense\n more\nTypes deb\n:\nURIs: http://a/debian", ""},
	{"a file of mirrors", config_apt_sources,
	 "Types: deb\nURIs: mirror+file:mirrors\nSuites: x\nComponents: main\n",
	 "http://c/debian https://d/debian"},
	{"no file of mirrors", config_apt_list, "deb mirror+file:/nowhere/mirrors x main\n", ""},
	{"empty", config_apt_list, "", ""},
};

static void test_formats(void **state) {
	(void) state;
	put("mirrors", "http://c/debian/\thigh\n# x\nhttps://d/debian\nftp://e/debian\n");
	EACH_CASE (c, formats_cases) {
		struct arena *arena CLEANUP(arena_freep) = arena_new();
		struct config_urls urls = {.arena = arena};
		c->read(c->text, &urls);
		char *got CLEANUP(freep) = joined(urls.at, urls.n);
		assert_string_equal(got, c->urls);
	}
}

#define APT "deb http://a/debian bookworm main\n"

static const struct {
	const char *name, *config, *list, *sources; /* NULL: no such file */
	const char *mirrors, *keyring, *docker, *diagnostics;
} loads[] = {
	{"nothing at all", NULL, NULL, NULL, "", CONFIG_KEYRING, NULL, NULL},
	{"what apt says", NULL, APT,
	 "Types: deb\nURIs: http://b/debian\nSuites: x\nComponents: main\n",
	 "http://a/debian http://b/debian", CONFIG_KEYRING, NULL, NULL},
	{"a mirror of its own", "mirror: https://m/debian/\n", APT, NULL, "https://m/debian",
	 CONFIG_KEYRING, NULL, NULL},
	{"several",
	 "mirror: [https://m/debian, http://n/archive/debian/20260101T000000Z, https://m/debian]\n",
	 APT, NULL, "https://m/debian http://n/archive/debian/20260101T000000Z", CONFIG_KEYRING,
	 NULL, NULL},
	{"a snapshot archive", "snapshot: https://s/archive/debian\n", APT, NULL, "http://a/debian",
	 CONFIG_KEYRING, NULL, NULL},
	{"a folder", "mirror: file:/srv/debian\n", APT, NULL, "file:/srv/debian", CONFIG_KEYRING,
	 NULL, NULL},
	{"all but mirrors", "keyring: /k.gpg\nengine: unix:///run/e.sock\nengine_timeout: 2m\n",
	 APT, NULL, "http://a/debian", "/k.gpg", "unix:///run/e.sock", NULL},
	{"a gateway that is none", "gateway: {mode: none}\n", APT, NULL, "http://a/debian",
	 CONFIG_KEYRING, NULL, NULL},
	{"an installed gateway", "gateway: {mode: host, program: /opt/haproxy}\n", APT, NULL,
	 "http://a/debian", CONFIG_KEYRING, NULL, NULL},
	{"another gateway", "gateway: {mode: nginx, program: haproxy}\n", APT, NULL, NULL, NULL,
	 NULL,
	 "1:17: 'nginx' in 'gateway.mode' is not known, use docker, host or none\n1:33: 'haproxy' "
	 "in 'gateway.program' is not an absolute path"},
	{"only comments", "# nothing yet\n\n  # mirror: x\n", APT, NULL, "http://a/debian",
	 CONFIG_KEYRING, NULL, NULL},
	{"a list", "[mirror]\n", APT, NULL, NULL, NULL, NULL,
	 "1:1: the file must hold a mapping (key: value), not a list"},
	{"a typo", "miror: x\n", NULL, NULL, NULL, NULL, NULL,
	 "1:1: unknown key 'miror', did you mean 'mirror'?"},
	{"a mirror with a token",
	 "mirror: [https://m/debian?token=s3cr3t, 'https://u:s3cr3t@m/debian']\nsnapshot: "
	 "https://s/?sig=s3cr3t\n",
	 NULL, NULL, NULL, NULL, NULL,
	 "1:10: 'https://m/debian' has a signature, a token or a key in its query, which would be "
	 "written into journals and messages\n"
	 "1:41: 'https://m/debian' has a user or a password in it, which would be written into "
	 "journals and messages\n"
	 "2:11: 'https://s/' has a signature, a token or a key in its query, which would be "
	 "written into journals and messages"},
	{"addresses that are none",
	 "mirror: [m/debian, 'https:///debian']\nkeyring: k.gpg\nengine: tcp://host:2375\n", NULL,
	 NULL, NULL, NULL, NULL,
	 "1:10: 'm/debian' in 'mirror' is not an https:// or http:// address, and not file:/PATH\n"
	 "1:20: 'https:///debian' in 'mirror' is not an https:// or http:// address, and not "
	 "file:/PATH\n"
	 "2:10: 'k.gpg' in 'keyring' is not an absolute path\n"
	 "3:9: 'tcp://host:2375' in 'engine' is not unix:///PATH: only an Engine on this machine "
	 "is used"},
};

static void test_load(void **state) {
	int root CLEANUP(closep) = -1;
	struct err e = {0};

	(void) state;
	assert_int_equal(fs_open_dir(AT_FDCWD, "root", &root, &e), 0);
	EACH_CASE (k, loads) {
		struct diagnostics c CLEANUP(diagnostics_done) = {0};
		struct config *config CLEANUP(config_freep) = NULL;
		struct buf said CLEANUP(buf_done) = BUF_INIT(4096);
		put("root/config.yaml", k->config);
		put("apt/sources.list", k->list);
		put("apt/sources.list.d/x.sources", k->sources);
		put("apt/sources.list.d/x.sources.save", k->sources);
		int r = config_load(root, "R", "apt", &config, &c, &e);
		for (size_t i = 0; i < c.n; i++)
			(void) buf_printf(&said, "%s%d:%d: %s", i ? "\n" : "", c.at[i].line,
					  c.at[i].col, c.at[i].message);
		assert_string_equal(buf_str(&said), k->diagnostics ? k->diagnostics : "");
		assert_int_equal(r, k->diagnostics ? -1 : 0);
		if (r) {
			assert_true(e.code == ERR_SPEC && !strcmp(c.at[0].file, "R/config.yaml"));
			continue;
		}
		assert_int_equal(config->n_snapshots, strstr(k->name, "snapshot") ? 1 : 0);
		char *got CLEANUP(freep) = joined(config->mirrors, config->n_mirrors);
		assert_string_equal(got, k->mirrors);
		assert_string_equal(config->keyring, k->keyring);
		assert_int_equal(config->docker_timeout_ms, k->docker ? 120000 : 15000);
		assert_int_equal(config->gateway,
				 !k->config || !strstr(k->config, "gateway") ? CONFIG_GATEWAY_DOCKER
					 : strstr(k->config, "none")         ? CONFIG_GATEWAY_NONE
									     : CONFIG_GATEWAY_HOST);
		assert_string_equal(config->haproxy,
				    k->config && strstr(k->config, "/opt") ? "/opt/haproxy"
									   : CONFIG_HAPROXY);
		assert_string_equal(config->docker ? config->docker : "",
				    k->docker ? k->docker : "");
	}
}

int main(void) {
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_formats),
					   cmocka_unit_test(test_load)};

	return cmocka_run_group_tests_name("config", tests, enter_directory, leave_directory);
}
