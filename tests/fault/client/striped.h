// A client whose log is striped over real servers, each with stores of its own, and the log put
// together again from the stores.
#pragma once

#include "tests/fault/client/served.h"
#include "tlog/format/stripes.h"

namespace tlog::testing {

class Striped : public Served {
 protected:
  client::ClientOptions striped(unsigned stripes, unsigned stored = 1) {
    client::ClientOptions wanted = options(stored);
    wanted.stripes = stripes;
    return wanted;
  }
  ::testing::AssertionResult open_striped(const client::ClientOptions& wanted) {
    auto opened = rig.open(wanted);
    if (opened) return ::testing::AssertionSuccess();
    return ::testing::AssertionFailure() << opened.error().message();
  }
  // What stripe `index` has in the stores of server `server`, in its own sequences, each once.
  std::vector<SentRecord> stripe_records(std::size_t server, unsigned index) {
    auto records = servers[server]->read_stores(format::stripe_name(kServedVdisk, index));
    for (std::size_t i = 0; i < records.size(); ++i) EXPECT_EQ(records[i].sequence, i + 1) << index;
    return records;
  }
  // The log as the stores have it: as far as no stripe lacks anything, in order. Each stripe from
  // the stores of server stripe * `mirrors` + `mirror`.
  std::vector<SentRecord> whole_log(unsigned stripes, unsigned mirrors = 1, unsigned mirror = 0) {
    const format::StripeMap map(stripes);
    std::vector<std::vector<SentRecord>> parts;
    std::vector<Sequence> ends;
    for (unsigned i = 0; i < stripes; ++i) {
      parts.push_back(stripe_records(std::size_t{i} * mirrors + mirror, i));
      ends.push_back(parts.back().size());
    }
    std::vector<SentRecord> all;
    const Sequence end = map.prefix_of(ends);
    for (Sequence sequence = 1; sequence <= end; ++sequence) {
      all.push_back(parts[map.stripe_of(sequence)][map.local_of(sequence) - 1]);
      all.back().sequence = sequence;
    }
    return all;
  }
  // After the client's end the stripes have all of it between them.
  void check_whole_log(unsigned stripes, unsigned mirrors = 1) {
    const Sequence end = rig.end();
    rig.close();
    for (std::size_t i = 0; i < servers.size(); ++i) kill(i);
    for (unsigned mirror = 0; mirror < mirrors; ++mirror) {
      const auto records = whole_log(stripes, mirrors, mirror);
      EXPECT_EQ(records.size(), end) << mirror;
      EXPECT_EQ(rig.difference(records, end), "") << mirror;
    }
  }
};

}  // namespace tlog::testing
