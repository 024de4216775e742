/* SPDX-License-Identifier: Apache-2.0 */
/* Prints a file's SHA-256 as sha256sum does, by the function that verifies artifacts. */
#include <fcntl.h>
#include <stdio.h>

#include "base/err.h"
#include "base/mem.h"
#include "crypto/crypto.h"

int main(int argc, char **argv) {
	char digest[SHA256_HEX];
	struct err e;

	if (argc != 2)
		return 2;
	int fd CLEANUP(closep) = open(argv[1], O_RDONLY | O_CLOEXEC);
	if (fd < 0) {
		perror(argv[1]);
		return 1;
	}
	if (sha256_file(fd, argv[1], digest, NULL, &e)) {
		(void) fprintf(stderr, "%s\n", e.msg);
		return 1;
	}
	return printf("%s  %s\n", digest, argv[1]) < 0;
}
