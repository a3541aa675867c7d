// File: tlog/session/coordinator.h
// Coordinator: when this host may try to serve a vdisk that other hosts are to serve too. Campaigns
// for the vdisk's key in etcd, keeps the lease that it is bound to alive, and has the vdisk begun
// here (taken over if need be) when the lease is its own. It decides only when: the stores decide
// who may write (flush/claim.h), and a host without its lease goes on until they fence it
// (docs/adr/0012).
//
// Life: made -> start (after the fork: two threads) -> stop_beginning (what is under way is broken
// off) -> end (the lease is given back, or left to end by itself; threads joined).
// Threading: admit(), status() and reconfigure() from any thread; the others from one. The
// callbacks are called from the coordinator's threads, never with its mutex held.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <thread>

#include "tlog/base/clock.h"
#include "tlog/base/log.h"
#include "tlog/base/mutex.h"
#include "tlog/config/config.h"
#include "tlog/etcd/election.h"
#include "tlog/etcd/writer_record.h"
#include "tlog/session/takeover.h"

namespace tlog::session {

enum class LeaseState {
  kStarting,     // etcd has not answered yet
  kUnreachable,  // it cannot be reached, and the vdisk is not served here
  kStandby,      // another host has the lease
  kBeginning,    // it is this host's, and the vdisk is being opened or taken over
  kHeld,         // it is this host's, and the vdisk can be served
  kLost,         // the vdisk is served here without it
  kRefused,      // the vdisk could not be begun here: somebody has to do something
};
std::string_view lease_state_name(LeaseState state);

struct LeaseStatus {
  std::string vdisk;
  LeaseState state = LeaseState::kStarting;
  std::string holder;            // the host that has it; "": none, or not known
  std::uint64_t ends_in_ns = 0;  // unless it is kept alive; 0: not known
  std::string reason;            // why it is not held, what is done about it
};

// How the vdisk is on this host.
struct LocalVdisk {
  bool is_open = false;     // and has not failed
  bool has_failed = false;  // for good
  bool is_fenced = false;   // because another host has taken it over
  std::string reason;       // of has_failed
  Epoch epoch = 0;          // of is_open
  Uuid journal;             // that this process has locked; nil: none
};

struct CoordinatorTimes {
  std::uint64_t look_ns = 500'000'000;         // at the vdisk, while the lease is held
  std::uint64_t first_ns = 15'000'000'000;     // an admission waits for etcd's first answer
  std::uint64_t begin_ns = 30'000'000'000;     // and for a beginning under way
  std::uint64_t standby_ns = 300'000'000'000;  // and with `standby`
};

class Coordinator {
 public:
  struct Parts {
    std::string vdisk;
    config::Coordination settings;
    std::string password;          // of settings.user
    std::string host;              // this one's name
    std::string control;           // its control socket; "": none
    const Clock* clock = nullptr;  // borrowed, as logger
    Logger* logger = nullptr;
    std::function<LocalVdisk()> look;
    // Gives up a journal that was locked for an opening.
    std::function<void()> let_go;
    // Makes the vdisk ready, which takes as long as it takes; broken off when `stop` says so.
    std::function<Status(const TakeoverOptions&, const TakeoverProgress&)> begin;
    // Closes one that was fenced, so that it can be begun again later.
    std::function<void()> retire;
    CoordinatorTimes times = {};
  };
  explicit Coordinator(Parts parts);
  ~Coordinator();  // ends
  Coordinator(const Coordinator&) = delete;
  Coordinator& operator=(const Coordinator&) = delete;

  Status start();
  // Whether the vdisk may be opened here now; waits for what is under way, and with `standby` for
  // the turn of this host. kUnavailable says who serves it, or what is to be done; kShutdown.
  Status admit() EXCLUDES(mutex_);
  LeaseStatus status() const EXCLUDES(mutex_);
  // Takes over what may change (config::compare()), within some seconds.
  void reconfigure(const config::Coordination& settings, std::string password) EXCLUDES(mutex_);

  // The vdisk is another one than when it was last looked at; any thread.
  void look_again() EXCLUDES(mutex_);
  void refuse() EXCLUDES(mutex_);  // admissions end, now and later; from any thread
  void stop_beginning() EXCLUDES(mutex_);
  // `everything_stored`: the lease is given back at once, with word of the `epoch` that has ended
  // with nothing left behind. Otherwise it ends by itself, which gives this host's next start the
  // time to go on with what only its journal has.
  void end(bool everything_stored, Epoch epoch) EXCLUDES(mutex_);

 private:
  // Of the lease's thread alone.
  struct Turn {
    etcd::Lease lease;               // granted; perhaps not the key's
    std::uint64_t since = 0;         // wall clock
    std::uint64_t kept_ns = 0;       // when it was last asked to be kept alive, and was
    std::uint64_t keep_next_ns = 0;  // when to ask again
    std::uint64_t pause_ns = 0;      // after a failure, doubling; 0: the last request went well
    std::uint64_t begin_not_before_ns = 0;
    std::uint64_t begin_pause_ns = 0;  // after a beginning that failed, doubling
    bool is_held = false;
    bool has_failed = false;  // the vdisk did, for good: nothing more until a restart
    // Fenced with the lease in hand, so by an operator's takeover: not before another host has had
    // the lease is it wanted back.
    bool has_yielded = false;
    bool was_superseded = false;  // another host had it while the vdisk was open here
    etcd::WriterRecord declared;  // what the key says
  };
  // What the threads tell each other and whoever asks.
  struct Shared {
    bool has_looked = false;
    bool is_held = false;
    bool is_overdue = false;    // not kept alive for as long as it lasts
    bool is_open = false;       // of the vdisk, when it was last looked at
    std::uint64_t ends_ns = 0;  // monotonic: of the lease that is known, anybody's
    std::string holder;         // another host
    std::string trouble;        // etcd's
    bool begin_wanted = false;
    bool is_beginning = false;
    bool is_ready = false;  // begun; an opening may go on
    std::string refusal;    // of the last beginning, or of the vdisk
    TakeoverOptions takeover;
  };

  void run_lease();
  void connect();
  Status contend();
  Status stand_by(const etcd::Seen& seen, const etcd::WriterRecord& other);
  Status win(std::uint64_t instead_of, const Uuid& journal);
  void take_turn();
  void keep();
  void keep_alive(std::uint64_t now_ns);
  void declare(const LocalVdisk& local);
  void lose(const std::string& why);
  void give_back();
  void note_trouble(const Error& error);
  void note_contact();
  void fence_or_fail(const LocalVdisk& local);
  void rest(std::uint64_t time_ns) EXCLUDES(mutex_);
  bool is_ending() const { return ending_.load(); }
  etcd::WriterRecord record_of(const LocalVdisk& local) const;
  std::uint64_t ttl_ns() const EXCLUDES(mutex_);
  template <class Change>
  void share(Change change) EXCLUDES(mutex_);

  void run_beginnings();
  LeaseState state() const REQUIRES(mutex_);
  std::string reason(LeaseState state) const REQUIRES(mutex_);
  std::uint64_t ends_in() const REQUIRES(mutex_);

  const Parts parts_;
  std::atomic<bool> ending_ = false;
  std::atomic<bool> beginnings_stop_ = false;
  std::atomic<bool> refuses_ = false;
  std::atomic<Sequence> progress_done_ = 0;
  std::atomic<Sequence> progress_last_ = 0;
  std::thread lease_thread_;
  std::thread beginning_thread_;

  // Of the lease's thread, but for wake(), which happens under mutex_.
  std::unique_ptr<etcd::Election> asking_;
  std::unique_ptr<etcd::Election> watching_;
  Turn turn_;

  mutable Mutex mutex_;
  CondVar changed_;
  Shared shared_ GUARDED_BY(mutex_);
  config::Coordination settings_ GUARDED_BY(mutex_);
  std::string password_ GUARDED_BY(mutex_);
  bool is_reconfigured_ GUARDED_BY(mutex_) = true;  // the lease's thread has not seen it yet
};

}  // namespace tlog::session
