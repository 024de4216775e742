/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "fs/fs.h"
#include "tests/fake/proxy.h"
#include "tests/fake/upstream.h"

/* The way to a hosted model: who it is must be proved, its key goes there and nowhere else. The
 * hosted model is a fake behind a HAProxy of its own that speaks TLS. */
struct hosted {
	struct proxy p;
	struct upstream model;
	pid_t tls;
	unsigned port, metrics, tls_port;
};

#define CHAT "/v1/chat/completions"
#define NOBODY                                                                            \
	"{\"generated_tokens\":\"\",\"id\":\"\",\"metrics\":\"\",\"prompt_tokens\":\"\"," \
	"\"sequences\":0,\"version\":\"\",\"want\":\"maint\"}"

static void save(const char *path, const char *text) {
	struct err e = {0};

	if (fs_write(EFFECT_NONE, AT_FDCWD, path, text, strlen(text), 0600, &e))
		fail_msg("%s", e.msg);
}

static void write_state(struct hosted *h, const char *host, const char *ca, const char *key) {
	char *state CLEANUP(freep) = mem_printf(
		"{\"apiVersion\":\"llmdeploy/v1\",\"kind\":\"Gateway\",\"routes\":[{\"a\":" NOBODY
		",\"b\":" NOBODY ",\"canary_percent\":0,\"gateway\":{"
		"\"fallback\":{\"api_key_file\":\"%s/%s\",\"ca_file\":\"%s/"
		"%s\",\"model\":\"big\",\"url\":\"https://%s:%u/v1\"},"
		"\"listen\":\"127.0.0.1:%u\",\"metrics\":\"127.0.0.1:%u\",\"privacy\":\"any\"},"
		"\"name\":\"one\",\"since\":1}]}",
		h->p.dir, key, h->p.dir, ca, host, h->tls_port, h->port, h->metrics);

	proxy_write(&h->p, state);
}

static bool answers(unsigned port) {
	int fd = upstream_send(port, "x");

	if (fd >= 0)
		(void) close(fd);
	return fd >= 0;
}

static void start_tls(struct hosted *h) {
	char *cfg CLEANUP(freep) =
		mem_printf("defaults\n mode http\n timeout client 1h\n timeout server 1h\n timeout "
			   "connect 1s\nlisten hosted\n"
			   " bind 127.0.0.1:%u ssl crt %s/hosted.pem\n server model 127.0.0.1:%u\n",
			   h->tls_port, h->p.dir, upstream_port(&h->model));

	save("tls.cfg", cfg);
	char *path CLEANUP(freep) = mem_printf("%s/tls.cfg", h->p.dir);
	h->tls = fork();
	if (!h->tls) {
		(void) prctl(PR_SET_PDEATHSIG, SIGKILL);
		(void) execlp("haproxy", "haproxy", "-q", "-db", "-f", path, (char *) NULL);
		_exit(127);
	}
	for (int i = 0; i < 500 && !answers(h->tls_port); i++)
		clock_sleep_ms(10);
}

static void begin(struct hosted *h) {
	proxy_init(&h->p);
	upstream_start(&h->model, "H", NULL);
	h->port = proxy_port();
	h->metrics = proxy_port();
	h->tls_port = proxy_port();
	assert_int_equal(system("for n in good other; do openssl req -x509 -newkey rsa:2048 -nodes "
				"-keyout $n.key -out $n.pem -days 2 -subj /CN=$n "
				"-addext subjectAltName=DNS:localhost 2>/dev/null || exit 1; done; "
				"cat good.pem good.key >hosted.pem"),
			 0);
	save("key", "sk-hosted-one\n");
	save("empty", "\n");
	start_tls(h);
}

static void end(struct hosted *h) {
	(void) kill(h->tls, SIGKILL);
	(void) waitpid(h->tls, NULL, 0);
	upstream_stop(&h->model);
	proxy_done(&h->p);
}

static char *ask(struct hosted *h) {
	char *text CLEANUP(freep) = upstream_post(CHAT, "Authorization: Bearer sk-client\r\n",
						  "{\"model\":\"one\"}");

	return upstream_ask(h->port, text);
}

static void test_trust(void **state) {
	static const struct {
		const char *name, *host, *ca, *key, *status;
	} cases[] = {
		{"it is who it says", "localhost", "good.pem", "key", "200"},
		{"a certificate that nobody here knows", "localhost", "other.pem", "key", "502"},
		{"another host's certificate", "127.0.0.1", "good.pem", "key", "502"},
		{"no key", "localhost", "good.pem", "nothing", "503"},
		{"an empty key", "localhost", "good.pem", "empty", "503"},
	};
	struct hosted h = {0};

	(void) state;
	begin(&h);
	EACH_CASE (c, cases) {
		unsigned before = h.model.questions;
		write_state(&h, c->host, c->ca, c->key);
		proxy_start(&h.p);
		char *came CLEANUP(freep) = ask(&h);
		if (strlen(came) < 12 || strncmp(came + 9, c->status, 3) != 0)
			fail_msg("%s", came);
		assert_int_equal(h.model.questions - before, !strcmp(c->status, "200"));
		proxy_stop(&h.p);
	}
	end(&h);
}

/* The key is in the request and nowhere else: not in a file of the gateway, an argument, its
 * environment, or its log. A new one is taken up by a reload. */
static void test_key(void **state) {
	struct hosted h = {0};

	(void) state;
	begin(&h);
	write_state(&h, "localhost", "good.pem", "key");
	proxy_start(&h.p);
	free(ask(&h));
	char *first CLEANUP(freep) = upstream_last(&h.model);
	assert_non_null(strstr(first, "\r\nauthorization: Bearer sk-hosted-one\r\n"));
	assert_null(strstr(first, "sk-client"));
	save("key", "  sk-hosted-two  ");
	proxy_reload(&h.p);
	free(ask(&h));
	char *second CLEANUP(freep) = upstream_last(&h.model);
	assert_non_null(strstr(second, "\r\nauthorization: Bearer sk-hosted-two\r\n"));
	char *said CLEANUP(freep) =
		proxy_command(&h.p, "show sess all; show map; show stat; show errors; show env");
	assert_null(strstr(said, "sk-"));
	char *where CLEANUP(
		freep) = mem_printf("! grep -rl sk- g && for p in %d $(pgrep -P %d); do ! grep -al "
				    "sk- /proc/$p/cmdline /proc/$p/environ || exit 1; done",
				    (int) h.p.pid, (int) h.p.pid);
	assert_int_equal(system(where), 0);
	end(&h);
}

/* Nobody listens there: an answer that says so, soon, and the next one is tried again. */
static void test_gone(void **state) {
	struct hosted h = {0};

	(void) state;
	begin(&h);
	write_state(&h, "localhost", "good.pem", "key");
	proxy_start(&h.p);
	(void) kill(h.tls, SIGKILL);
	(void) waitpid(h.tls, NULL, 0);
	uint64_t began = clock_mono_ms();
	char *came CLEANUP(freep) = ask(&h);
	assert_non_null(strstr(came, "HTTP/1.1 502"));
	assert_non_null(strstr(came, "\r\nx-llmdeploy-answered-by: fallback; reason=down\r\n"));
	assert_true(clock_mono_ms() - began < 8000);
	start_tls(&h);
	char *again CLEANUP(freep) = ask(&h);
	assert_non_null(strstr(again, "HTTP/1.1 200"));
	end(&h);
}

int main(void) {
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_trust), cmocka_unit_test(test_key),
					   cmocka_unit_test(test_gone)};

	return cmocka_run_group_tests_name("gateway hosted", tests, NULL, NULL);
}
