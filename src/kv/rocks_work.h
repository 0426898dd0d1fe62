// rocks_work.h - when RocksDB's compactions run. C++ only: it is a part of rocks_env.cc.
//
// What a compaction does nobody waits for, unless the tables of level 0 heap up; what it takes, two cores' worth of cache and processor,
// is felt by whoever reads meanwhile, and most behind a start, when all clients come back at once and nothing is in memory. So those that
// are to begin wait until nobody has read for a moment, be it files or memory, five seconds at most. A flush ends the wait, for where much is written, tables
// come into being faster than that; and nothing waits while RocksDB delays or stops writes, of whatever family, until tables are fewer.
#ifndef KV_ROCKS_WORK_H
#define KV_ROCKS_WORK_H

#include <rocksdb/env.h>

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <mutex>

class RocksWork
{
      public:
	void flush_begins();

	// Who reads says so. From any thread, without a lock: of two at once the longer may be lost.
	void
	reading(int64_t until_us)
	{
		if (reading_until_us_.load(std::memory_order_relaxed) < until_us)
			reading_until_us_.store(until_us, std::memory_order_relaxed);
	}

	// A database is about to be opened.
	void begin();

	// Nothing waits: somebody wants what compactions do, or the database is to be closed.
	void set_hurried(bool is_hurried);

	// Writes to a family are delayed or stopped from now on, or no longer.
	void set_stalled(bool is_stalled);

	// How many compactions began at last though somebody still read, and nobody had hurried them.
	uint64_t
	outwaited() const
	{
		return outwaited_.load(std::memory_order_relaxed);
	}

	// As Env::Schedule(), for a compaction.
	void schedule(rocksdb::Env *env, void (*run)(void *arg), void *arg, void *tag,
	    void (*drop)(void *arg));

      private:
	struct Job;
	static void job_run(void *arg);
	static void job_drop(void *arg);
	void wait();

	std::mutex lock_;
	std::condition_variable changed_;
	std::atomic<int64_t> reading_until_us_{ 0 };
	std::atomic<uint64_t> outwaited_{ 0 };
	unsigned flushes_ = 0;
	unsigned stalled_ = 0; // families
	bool is_hurried_ = false;
};

#endif
