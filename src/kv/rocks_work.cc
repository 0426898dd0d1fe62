// rocks_work.cc - see rocks_work.h.
#include "kv/rocks_work.h"

#include "base/thread.h"

#include <algorithm>
#include <chrono>

namespace {

constexpr int64_t WAIT_US = 5 * 1000 * 1000;

int64_t
now_us()
{
	return std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

} // namespace

struct RocksWork::Job {
	RocksWork *work;
	void (*run)(void *arg);
	void (*drop)(void *arg);
	void *arg;
};

void
RocksWork::flush_begins()
{
	std::lock_guard<std::mutex> held(lock_);

	flushes_++;
	changed_.notify_all();
}

void
RocksWork::begin()
{
	std::lock_guard<std::mutex> held(lock_);

	is_hurried_ = false;
	stalled_ = 0;
}

void
RocksWork::set_stalled(bool is_stalled)
{
	std::lock_guard<std::mutex> held(lock_);

	if (is_stalled)
		stalled_++;
	else if (stalled_ > 0)
		stalled_--;
	changed_.notify_all();
}

void
RocksWork::set_hurried(bool is_hurried)
{
	std::lock_guard<std::mutex> held(lock_);

	is_hurried_ = is_hurried;
	changed_.notify_all();
}

void
RocksWork::wait()
{
	std::unique_lock<std::mutex> held(lock_);
	const unsigned flushes = flushes_;
	const int64_t end_us = now_us() + WAIT_US;

	while (!is_hurried_ && stalled_ == 0 && flushes_ == flushes) {
		int64_t left_us = std::min(reading_until_us_.load(std::memory_order_relaxed), end_us) - now_us();

		if (left_us <= 0) {
			if (now_us() >= end_us)
				outwaited_.fetch_add(1, std::memory_order_relaxed);
			return;
		}
		changed_.wait_for(held, std::chrono::microseconds(left_us));
	}
}

void
RocksWork::job_run(void *arg)
{
	static thread_local bool has_begun;
	Job job = *static_cast<Job *>(arg);

	delete static_cast<Job *>(arg);
	// The threads are RocksDB's: their first job is where we meet them.
	if (!has_begun)
		thread_begin("kv-compact", THREAD_STEADY);
	has_begun = true;
	job.work->wait();
	job.run(job.arg);
}

void
RocksWork::job_drop(void *arg)
{
	Job job = *static_cast<Job *>(arg);

	delete static_cast<Job *>(arg);
	if (job.drop != nullptr)
		job.drop(job.arg);
}

void
RocksWork::schedule(rocksdb::Env *env, void (*run)(void *arg), void *arg, void *tag, void (*drop)(void *arg))
{
	env->Schedule(job_run, new Job{ this, run, drop, arg }, rocksdb::Env::Priority::LOW, tag, job_drop);
}
