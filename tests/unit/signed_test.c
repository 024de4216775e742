/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <string.h>

#include "base/mem.h"
#include "base/signed.h"

static const struct {
	const char *name, *url;
	bool is_signed;
	const char *shown;
} cases[] = {
	{"plain", "https://h/a/m.gguf", false, "https://h/a/m.gguf"},
	{"a harmless query", "https://h/m?download=true&x=y&rev=main", false, "https://h/m"},
	{"S3",
	 "https://b.s3.amazonaws.com/m?X-Amz-Algorithm=A&X-Amz-Credential=c&X-Amz-Signature=0",
	 true, "https://b.s3.amazonaws.com/m"},
	{"S3, old", "https://b.s3.amazonaws.com/m?AWSAccessKeyId=a&Expires=1&Signature=b%3D", true,
	 "https://b.s3.amazonaws.com/m"},
	{"Google", "https://storage.googleapis.com/b/m?x=1&X-Goog-Signature=ff", true,
	 "https://storage.googleapis.com/b/m"},
	{"Google, old", "https://h/m?GoogleAccessId=x", true, "https://h/m"},
	{"Azure", "https://a.blob.core.windows.net/c/m?sv=2024-01-01&sr=b&sig=abc&se=2026&sp=r",
	 true, "https://a.blob.core.windows.net/c/m"},
	{"CloudFront", "https://d.cloudfront.net/m?Policy=x&Key-Pair-Id=K", true,
	 "https://d.cloudfront.net/m"},
	{"a token", "https://h/m?token=s3cr3t", true, "https://h/m"},
	{"an access token", "https://h/m?a=b&access_token=t", true, "https://h/m"},
	{"a key", "https://h/m?key=AIza", true, "https://h/m"},
	{"an API key", "https://h/m?api-key=x", true, "https://h/m"},
	{"a private token", "https://h/m?private_token=x", true, "https://h/m"},
	{"a secret link of nginx", "https://h/m?md5=x&expires=1", true, "https://h/m"},
	{"capitals", "https://h/m?SIG=x", true, "https://h/m"},
	{"an escaped name", "https://h/m?X%2DAmz%2dSignature=x", true, "https://h/m"},
	{"an escaped letter", "https://h/m?%74oken=x", true, "https://h/m"},
	{"behind a semicolon", "https://h/m?a=b;token=x", true, "https://h/m"},
	{"a second question mark", "https://h/m?a=b?c&sig=x", true, "https://h/m"},
	{"without a value", "https://h/m?token", true, "https://h/m"},
	{"before a member", "https://h/a.zip?sig=x#m/model.gguf", true,
	 "https://h/a.zip#m/model.gguf"},
	{"in a member's name", "https://h/a.zip#m?token=x", false, "https://h/a.zip#m?token=x"},
	{"a value like one", "https://h/m?name=token", false, "https://h/m"},
	{"in a path", "https://h/token=x/sig", false, "https://h/token=x/sig"},
	{"a password", "https://u:p@h/m?a=b", false, "https://h/m"},
	{"a password with an at sign", "https://u:p@q@h/m", false, "https://h/m"},
	{"a host alone", "https://u@h?sig=x", true, "https://h"},
	{"the hub", "hf://O/R@main/f.gguf", false, "hf://O/R@main/f.gguf"},
	{"the hub with a token", "hf://O/R@main/f.gguf?token=x", true, "hf://O/R@main/f.gguf"},
	{"a path of this machine", "a?token=x", true, "a?token=x"},
};

static void signatures(void **state) {
	(void) state;
	EACH_CASE (k, cases) {
		char *shown CLEANUP(freep) = signed_shown(k->url);

		assert_int_equal(signed_query(k->url), k->is_signed);
		assert_string_equal(shown, k->shown);
	}
}

int main(void) {
	const struct CMUnitTest tests[] = {cmocka_unit_test(signatures)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
