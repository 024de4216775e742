#include "eval/words.h"

#include <string.h>

#include "base/mem.h"

static bool blank(char c) {
	return c == ' ' || (c >= '\t' && c <= '\r');
}

char *eval_words(const char *s, size_t n) {
	char *out = mem_zalloc(n + 1, 1);
	size_t used = 0;
	bool gap = false;

	for (size_t i = 0; i < n; i++) {
		if (blank(s[i])) {
			gap = used > 0;
			continue;
		}
		if (gap)
			out[used++] = ' ';
		gap = false;
		if (n - i >= 3 && !memcmp(s + i, "\xe2\x80\x99", 3)) {
			out[used++] = '\'';
			i += 2;
		} else {
			out[used++] = s[i] >= 'A' && s[i] <= 'Z' ? (char) (s[i] + 32) : s[i];
		}
	}
	return out;
}

bool eval_is_blank(const char *s, size_t n) {
	static const char *const wide[] = {"\xc2\xa0", "\xe2\x80\x8b", "\xef\xbb\xbf"};
	size_t i = 0;

	while (i < n) {
		size_t step = blank(s[i]);
		for (size_t k = 0; !step && k < 3; k++)
			if (n - i >= strlen(wide[k]) && !memcmp(s + i, wide[k], strlen(wide[k])))
				step = strlen(wide[k]);
		if (!step)
			return false;
		i += step;
	}
	return true;
}
