/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/err.h"
#include "base/mem.h"
#include "fs/fs.h"
#include "http/http.h"

/* https:// against `openssl s_server`, which answers with files that hold whole answers. */
struct tls {
	char dir[40];
	unsigned port;
	pid_t server;
	FILE *out;
};

static void save(const char *name, const char *text) {
	struct err e = {0};

	if (fs_write(EFFECT_NONE, AT_FDCWD, name, text, strlen(text), 0644, &e))
		fail_msg("%s", e.msg);
}

static void serve(int out) {
	(void) dup2(out, STDOUT_FILENO);
	(void) dup2(open("/dev/null", O_WRONLY), STDERR_FILENO);
	(void) execlp("openssl", "openssl", "s_server", "-accept", "127.0.0.1:0", "-cert",
		      "cert.pem", "-key", "key.pem", "-HTTP", (char *) NULL);
	_exit(127);
}

static int start(void **state) {
	struct tls *t = mem_zalloc(1, sizeof *t);
	int ends[2];
	char line[256];

	(void) strcpy(t->dir, "/tmp/llmdeploy-tls-XXXXXX");
	if (!mkdtemp(t->dir) || chdir(t->dir) || pipe2(ends, O_CLOEXEC))
		return -1;
	if (system("openssl req -x509 -newkey rsa:2048 -nodes -keyout key.pem -out cert.pem -days "
		   "2 -subj /CN=test "
		   "-addext subjectAltName=IP:127.0.0.1 2>/dev/null"))
		return -1;
	save("ok", "HTTP/1.0 200 OK\r\n\r\nsecret words");
	save("down",
	     "HTTP/1.0 302 Found\r\nLocation: http://127.0.0.1:1/x\r\nContent-Length: 0\r\n\r\n");
	t->server = fork();
	if (!t->server)
		serve(ends[1]);
	(void) close(ends[1]);
	t->out = fdopen(ends[0], "r");
	while (t->out && !t->port && fgets(line, sizeof line, t->out))
		(void) sscanf(line, "ACCEPT 127.0.0.1:%u", &t->port);
	*state = t;
	return t->port ? 0 : -1;
}

static int stop(void **state) {
	struct tls *t = *state;
	struct err e;

	(void) kill(t->server, SIGKILL);
	(void) waitpid(t->server, NULL, 0);
	(void) fclose(t->out);
	int r = chdir("/") || fs_remove_tree(EFFECT_NONE, AT_FDCWD, t->dir, &e);
	free(t);
	return r;
}

static const struct {
	const char *name, *bundle, *other, *path; /* CURL_CA_BUNDLE, SSL_CERT_FILE */
	long status;
	const char *expect; /* body, or message with a '@' for the host */
} cases[] = {
	{"trusted", "cert.pem", NULL, "ok", 200, "secret words"},
	{"trusted by the other name", NULL, "cert.pem", "ok", 200, "secret words"},
	{"the first name counts", "cert.pem", "key.pem", "ok", 200, "secret words"},
	{"not trusted", NULL, NULL, "ok", 0,
	 "cannot reach '@': its certificate is not trusted: SSL certificate problem: self-signed "
	 "certificate"},
	{"no downgrade", "cert.pem", NULL, "down", 0,
	 "'@' redirects to an address that is not https"},
	{"no certificates there", "none.pem", NULL, "ok", 0,
	 "cannot reach '@': no certificates in 'none.pem', which the environment names"},
};

static void set_or_not(const char *name, const char *value) {
	(void) (value ? setenv(name, value, 1) : unsetenv(name));
}

static void certificates(void **state) {
	struct tls *t = *state;

	(void) unsetenv("SSL_CERT_DIR");
	(void) setenv("no_proxy", "*", 1);
	EACH_CASE (c, cases) {
		struct http *h CLEANUP(http_freep) = http_new();
		struct http_response r CLEANUP(http_response_done) = {0};
		char *url CLEANUP(freep) = mem_printf("https://127.0.0.1:%u/%s", t->port, c->path);
		const char *at = strchr(c->expect, '@');
		char *expect CLEANUP(freep) = at
			? mem_printf("%.*s127.0.0.1:%u%s", (int) (at - c->expect), c->expect,
				     t->port, at + 1)
			: mem_strdup(c->expect);
		struct http_request q = {.url = url, .follow = true, .total_timeout_ms = 10000};
		struct err e = {0};
		set_or_not("CURL_CA_BUNDLE", c->bundle);
		set_or_not("SSL_CERT_FILE", c->other);
		int result = http_do(h, &q, &r, &e);
		assert_string_equal(result ? e.msg : buf_str(&r.body), expect);
		assert_int_equal(r.status, c->status);
		assert_int_equal(e.code, c->status ? ERR_OK : ERR_UNREACHABLE);
	}
}

int main(void) {
	const struct CMUnitTest tests[] = {cmocka_unit_test(certificates)};

	return cmocka_run_group_tests(tests, start, stop);
}
