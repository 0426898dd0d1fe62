/*
 * service_fuzz.c - what a tool may say to the service that works on an open store: whole
 * conversations of frames (wire.h), hostile ones among them, with an account that has mail. The
 * server must answer or end the connection, and the account must be whole afterwards.
 *
 * An input is pieces: kind (1), length (1), that many bytes; each is made a frame. A piece of kind 0
 * goes as it is.
 */
#include "backup/service.h"
#include "backup/wire.h"
#include "base/bytes.h"
#include "store/store_test_util.h"
#include "store/verify.h"

#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

enum { FRAMES_MAX = 64 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

/* Answers are not looked at, but somebody must take them. */
static void *
take_answers(void *fd)
{
	char bytes[4096];

	while (recv(*(int *)fd, bytes, sizeof(bytes), 0) > 0)
		continue;
	return NULL;
}

static void
say(int fd, const uint8_t *data, size_t n)
{
	for (size_t frames = 0; n >= 2 && frames < FRAMES_MAX; frames++) {
		size_t bytes = MIN((size_t)data[1], n - 2);
		char head[5] = { (char)data[0] };

		put_le32(head + 1, (uint32_t)bytes);
		if (data[0] != 0 && send(fd, head, sizeof(head), MSG_NOSIGNAL) < 0)
			return;
		if (send(fd, data + 2, bytes, MSG_NOSIGNAL) < 0)
			return;
		data += 2 + bytes;
		n -= 2 + bytes;
	}
}

/* Whatever was put in is a whole account. */
static void
check(struct kv *kv)
{
	struct verify_options o = { .kv = kv };
	struct verify_result r;

	must(verify_run(&o, &r) == ERR_OK && r.findings == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct fixture f;
	struct service_store service;
	pthread_t taker;
	int ends[2];

	fixture_init(&f, false);
	for (int i = 0; i < 3; i++)
		test_append(&f, test_box(&f, "INBOX"), 0, NULL);
	must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
	must(pthread_create(&taker, NULL, take_answers, &ends[0]) == 0);
	say(ends[0], data, MIN(n, (size_t)65536));
	shutdown(ends[0], SHUT_WR);
	service = (struct service_store){ .store = f.store, .kv = f.kv };
	service_run(&service, ends[1]);
	close(ends[1]);
	pthread_join(taker, NULL);
	close(ends[0]);
	waiter_cancel(&f.b.w);
	account_unref(f.account);
	store_close(f.store);
	check(f.kv);
	kv_close(f.kv);
	arena_done(&f.a);
	return 0;
}
