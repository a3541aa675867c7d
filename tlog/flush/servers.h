// File: tlog/flush/servers.h
// Servers: what happens to the servers among a writer's stores, and what follows from it. Enrolls
// each under the writer's epoch and keeps the vdisk's record of them; has a restarted one verified,
// and what it lost put again, before it counts; takes a wiped one into use again, as long as no
// more than the parity shards can bear are missing, and has it filled by repair.
//
// Threading: the loop's thread only.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "tlog/flush/lanes.h"
#include "tlog/flush/metadata_keeper.h"
#include "tlog/flush/repair.h"
#include "tlog/flush/verification.h"
#include "tlog/format/metadata.h"

namespace tlog::flush {

class Servers : public std::enable_shared_from_this<Servers> {
 public:
  struct Parts {
    std::shared_ptr<const walk::LogPlace> place;
    std::function<Epoch(AggregationNumber)> epoch_of;
    io::Loop* loop = nullptr;
    Random* random = nullptr;
    Logger* logger = nullptr;
    std::function<void()> changed;  // records() has
    // So many stores have closed the epoch that too few are left to commit anything.
    std::function<void(const std::string& by)> fenced;
    unsigned write_quorum = 0;
  };
  // What a serving writer brings.
  struct Hands {
    std::shared_ptr<Lanes> lanes;
    std::shared_ptr<Repair> repair;
    std::shared_ptr<MetadataKeeper> keeper;
    std::function<AggregationNumber()> committed;
    std::function<AggregationNumber()> newest;  // that was given to the lanes
    // The store does not have this one after all. False when the writer does not hold it any more.
    std::function<bool(std::size_t store, AggregationNumber)> take_back;
    std::function<void(std::size_t store)> take_back_all;
    // What a suspect store has confirmed does not count towards a commit, until it is no suspect.
    std::function<void(std::size_t store, bool is_suspect)> suspect;
  };
  Servers(Parts parts, std::vector<format::ServerEntry> records);

  // `all_told` when each store that has an identity has said what it is, or that it is away.
  void enroll(Epoch epoch, std::function<void()> all_told);
  // Two stores that are one server would be one failure domain.
  Status check_different() const;
  const std::vector<format::ServerEntry>& records() const { return records_; }

  // Before start(): those that are recorded as rebuilding while an emptied one is not used again,
  // because too many would be missing with them; and what the writer has found out about one.
  std::vector<std::size_t> in_the_way() const;
  void found_whole(std::size_t store);

  void start(Hands hands);  // the metadata with records() has been published
  void repaired();          // repair has done something
  // From here on what is marked is not in the metadata that the claim publishes.
  void claim_begins() { claimed_ = true; }
  // New marks of servers so far, and: the metadata with the records of so many is on a quorum.
  std::uint64_t marks() const { return marks_; }
  void recorded(std::uint64_t marks);
  void stop();

 private:
  struct Doubt {
    std::uint64_t number = 0;
    std::shared_ptr<Verification> verification;
    bool is_verified = false;
    NumberSet lost;  // and not put again yet
  };
  struct Server {
    bool told = false;
    bool wiped = false;
    bool whole = false;       // whatever the record says: the writer has looked
    bool search_due = false;  // what it lost in a restart is still to be looked for
    bool filling = false;     // everything that it may lack has been given to repair
    std::string unsettled;    // the life of it that began with losses that are looked for; "": none
    bool fenced = false;     // it has closed the writer's epoch
    // Which of the new marks is its, as long as the metadata does not know it: until then nothing
    // that it confirms counts. 0: it does.
    std::uint64_t unrecorded = 0;
    std::optional<Doubt> doubt;
  };
  void event(std::size_t store, const store::ServerEvent& event);
  void take(std::size_t store, const store::ServerEvent& event);
  void enrolled(std::size_t store, const store::ServerEvent& event);
  void wiped(std::size_t store);
  void fenced(std::size_t store, const std::string& by);
  void restarted(std::size_t store, std::uint64_t doubt);
  void verified(std::size_t store, const NumberSet& lost);
  void try_to_vouch(std::size_t store);
  void look_after(std::size_t store);
  void search(std::size_t store);
  void search_if_due(std::size_t store);
  bool is_doubted_early(std::size_t store) const;
  void settle_what_is_done();
  bool may_rebuild(std::size_t store) const;
  bool is_being_rebuilt(std::size_t store) const;
  void end_doubt(std::size_t store);
  void hold_or_not(std::size_t store);
  const std::string& name(std::size_t store) const { return parts_.place->stores[store]->name(); }

  const Parts parts_;
  std::vector<format::ServerEntry> records_;
  std::vector<Server> servers_;
  std::uint64_t marks_ = 0;
  std::function<void()> all_told_;
  std::vector<std::pair<std::size_t, store::ServerEvent>> early_;  // before start()
  Hands hands_;
  bool claimed_ = false;
  bool started_ = false;
  bool stopped_ = false;
};

}  // namespace tlog::flush
