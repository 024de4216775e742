/* SPDX-License-Identifier: Apache-2.0 */
/* The program of the tests' container: each argument is a thing to do, in order. out:TEXT err:TEXT
 * a line to stdout, stderr     read:PATH  the file's content write:PATH  make a file, say how it
 * went        listen:PATH  a Unix socket that answers "hello" to everybody connect:IP:PORT  say how
 * it went                id  uid, gid and effective capabilities eat:MB  use memory
 * exit:N  end     wait  until SIGTERM, then end with 7 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static void told_to_end(int signal) {
	(void) signal;
	_exit(7);
}

static void say(const char *what, int result) {
	printf("%s: %s\n", what, result < 0 ? strerror(errno) : "ok");
}

static void read_file(const char *path) {
	char text[4096];
	int fd = open(path, O_RDONLY);
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof text);

	if (n < 0)
		say(path, -1);
	else
		printf("%.*s\n", (int) n, text);
}

static void listen_at(const char *path) {
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM, 0), client;

	strncpy(a.sun_path, path, sizeof a.sun_path - 1);
	(void) unlink(path);
	say(path, bind(fd, (struct sockaddr *) &a, sizeof a) || listen(fd, 8) ? -1 : 0);
	(void) fflush(stdout);
	while ((client = accept(fd, NULL, NULL)) >= 0) {
		(void) !write(client, "hello", 5);
		(void) close(client);
	}
}

static void connect_to(char *address) {
	struct sockaddr_in a = {.sin_family = AF_INET};
	char *colon = strrchr(address, ':');
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	*colon = '\0';
	a.sin_port = htons((unsigned short) atoi(colon + 1));
	a.sin_addr.s_addr = inet_addr(address);
	say(address, connect(fd, (struct sockaddr *) &a, sizeof a));
}

static void say_id(void) {
	char line[256];
	FILE *f = fopen("/proc/self/status", "r");

	printf("uid %d gid %d\n", (int) getuid(), (int) getgid());
	while (f && fgets(line, sizeof line, f))
		if (!strncmp(line, "CapEff:", 7) || !strncmp(line, "CapBnd:", 7) ||
		    !strncmp(line, "NoNewPrivs:", 11))
			fputs(line, stdout);
}

static void eat(long mb) {
	char *p = malloc((size_t) mb << 20);

	for (long i = 0; p && i < mb << 20; i += 4096)
		p[i] = 1;
	printf("ate %ld MB\n", p ? mb : 0);
}

static void act(char *what) {
	char *of = strchr(what, ':');

	of = of ? of + 1 : what;
	if (!strncmp(what, "out:", 4))
		printf("%s\n", of);
	else if (!strncmp(what, "err:", 4))
		fprintf(stderr, "%s\n", of);
	else if (!strncmp(what, "read:", 5))
		read_file(of);
	else if (!strncmp(what, "write:", 6))
		say(of, open(of, O_WRONLY | O_CREAT, 0644));
	else if (!strncmp(what, "listen:", 7))
		listen_at(of);
	else if (!strncmp(what, "connect:", 8))
		connect_to(of);
	else if (!strcmp(what, "id"))
		say_id();
	else if (!strncmp(what, "eat:", 4))
		eat(atol(of));
	else if (!strncmp(what, "exit:", 5))
		exit(atoi(of));
	else if (!strcmp(what, "wait"))
		for (;;)
			(void) pause();
	(void) fflush(stdout);
}

int main(int argc, char **argv) {
	(void) signal(SIGTERM, told_to_end); /* process 1 has no default action */
	for (int i = 1; i < argc; i++)
		act(argv[i]);
	return 0;
}
