// File: tests/unit/resp_store/any_server_fixture.h
// RespStoreTest over each kind of server, for tests with TEST_P.
#pragma once

#include "tests/support/any_server.h"
#include "tests/unit/resp_store/fixture.h"

namespace tlog::store {

class RespStoreOnAnyServer : public RespStoreTest,
                             public ::testing::WithParamInterface<testing::ServerKind> {
 protected:
  void SetUp() override {
    if (!testing::AnyServer::available(GetParam())) GTEST_SKIP() << "no redis-server";
    RespStoreTest::SetUp();
  }
  void TearDown() override {
    if (loop_) RespStoreTest::TearDown();
  }
};

}  // namespace tlog::store

#define TLOG_ON_EACH_SERVER(fixture)                                                    \
  INSTANTIATE_TEST_SUITE_P(                                                             \
      On, fixture,                                                                      \
      ::testing::Values(testing::ServerKind::kRedis, testing::ServerKind::kArdbDouble), \
      [](const auto& kind) { return testing::AnyServer::name(kind.param); })
