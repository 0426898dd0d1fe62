/*
 * notify_share_test.c - what others share with a client that watches all of theirs by NOTIFY is
 * told also when it takes time to find out what that is: here the engine completes loads when it
 * is stepped, so each waits.
 */
#include "model/sim.h"

#include "kv/kv.h"

static struct sim world;

/* Sends a line and takes all that comes; whether a line has these words. */
static bool
hears(struct sim_conn *c, const char *command, const char *words)
{
	bool is_heard = false;
	struct str line;

	if (command[0] != '\0') {
		sim_send(c, str_c(command));
		sim_send(c, STR("\r\n"));
	}
	sim_settle(&world);
	while (line = sim_line(c), line.p != NULL) {
		is_heard |= memmem(line.p, line.n, words, strlen(words)) != NULL;
		sim_consume(c, line);
	}
	return is_heard;
}

static void
check_told(const char *subtree)
{
	struct kv *kv = sim_memory(1);
	struct sim_conn joe, ann;
	char notify[200];

	snprintf(notify, sizeof(notify),
	    "a NOTIFY SET (subtree %s (MessageNew MessageExpunge MailboxName))", subtree);
	sim_open(&world, kv, true, 1);
	sim_connect(&world, &joe);
	sim_connect(&world, &ann);
	CHECK(hears(&joe, "a LOGIN joe secret", "a OK "));
	CHECK(hears(&ann, "a LOGIN ann secret", "a OK "));
	CHECK(hears(&joe, "a CREATE box", "a OK "));
	CHECK(hears(&ann, notify, "a OK "));
	CHECK(hears(&joe, "a SETACL box ann lr", "a OK "));
	CHECK(hears(&ann, "", "* LIST () \"/\" \"Other Users/joe/box\""));
	CHECK(hears(&joe, "a APPEND box {1+}\r\nx", "a OK "));
	CHECK(hears(&ann, "", "* STATUS \"Other Users/joe/box\" (MESSAGES 1 "));
	CHECK(hears(&joe, "a DELETEACL box ann", "a OK "));
	CHECK(hears(&ann, "", "\\NonExistent"));
	sim_close(&world);
	kv_close(kv);
}

static void
test_all_of_others(void)
{
	check_told("\"Other Users\"");
}

static void
test_all_of_one(void)
{
	check_told("\"Other Users/joe\"");
}

TEST_MAIN(TEST(test_all_of_others), TEST(test_all_of_one))
